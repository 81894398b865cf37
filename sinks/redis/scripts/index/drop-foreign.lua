-- Removes a key that is not of the type that it should be. KEYS: key. ARGV: its type. Answers whether it was removed.
local type = redis.call('TYPE', KEYS[1]).ok
if type == 'none' or type == ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
