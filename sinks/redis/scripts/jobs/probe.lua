-- Writes, reads and removes, as all that is stored needs it, and leaves nothing. KEYS: one that nobody uses. ARGV: a word.
redis.call('SET', KEYS[1], ARGV[1], 'EX', 60)
local read = redis.call('GET', KEYS[1])
redis.call('DEL', KEYS[1])
return read
