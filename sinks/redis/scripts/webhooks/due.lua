-- The hooks that are due. Each is then claimed by `claim.lua`, which has its hash among the keys.
-- KEYS: due. ARGV: how many. Answers promptIds.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
