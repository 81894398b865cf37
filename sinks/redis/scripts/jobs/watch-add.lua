-- Adds unsettled jobs to those that a session watches, and drops expired ones.
-- KEYS: jobs of the session, scored by when each expires. ARGV: seconds to live, promptIds.
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
for n = 2, #ARGV do redis.call('ZADD', KEYS[1], now + tonumber(ARGV[1]), ARGV[n]) end
return redis.call('EXPIRE', KEYS[1], ARGV[1])
