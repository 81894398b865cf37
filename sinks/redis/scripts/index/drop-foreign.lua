-- Removes a key of another type than expected. KEYS: key. ARGV: the expected type. Answers 1 if it was removed.
local type = redis.call('TYPE', KEYS[1]).ok
if type == 'none' or type == ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
