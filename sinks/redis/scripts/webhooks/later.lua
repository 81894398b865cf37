-- Puts a claimed hook back with another text, unless it is done.
-- KEYS: due, hook. ARGV: promptId, text, ms until due, seconds to live, ms until it may be hurried (0: at once).
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('HEXISTS', KEYS[2], 'text') == 0 then return 0 end
redis.call('HSET', KEYS[2], 'text', ARGV[2], 'until', ARGV[5] == '0' and '0' or now + ARGV[5])
redis.call('EXPIRE', KEYS[2], ARGV[4])
return redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
