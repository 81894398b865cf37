-- Makes a hook due now, or once its claim or rest is over.
-- KEYS: due, hook. ARGV: promptId.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stillUntil = tonumber(redis.call('HGET', KEYS[2], 'until') or '0')
return redis.call('ZADD', KEYS[1], 'XX', 'LT', math.max(now, stillUntil), ARGV[1])
