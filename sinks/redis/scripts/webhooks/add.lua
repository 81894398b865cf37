-- Adds a hook, unless the job has one or had one that is done.
-- KEYS: due, hook. ARGV: promptId, text, ms until due, seconds to live.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('HLEN', KEYS[2]) > 0 then return 0 end
redis.call('HSET', KEYS[2], 'text', ARGV[2], 'until', '0')
redis.call('EXPIRE', KEYS[2], ARGV[4])
return redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
