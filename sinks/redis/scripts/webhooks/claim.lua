-- Claims a hook, unless another instance has it by now; drops one whose hash has expired. While a cluster moves the
-- slot, Redis runs this only where both keys are (else TRYAGAIN), so that a hash that moved does not count as expired.
-- KEYS: due, hook. ARGV: promptId, for how many ms. Answers its text, or nothing.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not due or tonumber(due) > now then return false end
local text = redis.call('HGET', KEYS[2], 'text')
if not text then
  redis.call('ZREM', KEYS[1], ARGV[1])
  return false
end
redis.call('HSET', KEYS[2], 'until', now + ARGV[2])
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
return text
