-- Adds an unsettled job to those that a session watches; what has had its time goes.
-- KEYS: jobs of the session, by when each may go. ARGV: promptId, seconds to live.
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
return redis.call('EXPIRE', KEYS[1], ARGV[2])
