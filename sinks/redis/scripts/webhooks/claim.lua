-- KEYS: due. ARGV: how many, for how many ms, how a hook's key begins.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local claimed = {}
for _, promptId in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])) do
  local key = ARGV[3] .. promptId
  local text = redis.call('HGET', key, 'text')
  if text then
    redis.call('HSET', key, 'until', now + ARGV[2])
    redis.call('ZADD', KEYS[1], now + ARGV[2], promptId)
    claimed[#claimed + 1] = promptId
    claimed[#claimed + 1] = text
  else
    redis.call('ZREM', KEYS[1], promptId)
  end
end
return claimed
