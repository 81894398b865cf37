-- Calls each command that the other scripts use, and leaves nothing: no other client sees the key in between.
-- KEYS: an unused one. ARGV: a word. Answers the word as it was read. A command that is refused is an error that names
-- it.
local key, read = KEYS[1], nil
local function call(name, ...)
  local answer = redis.pcall(name, ...)
  if type(answer) == 'table' and answer.err then error({ err = answer.err .. ' (' .. name .. ')' }) end
  return answer
end
call('TIME')
call('SET', key, ARGV[1], 'EX', 60)
call('PEXPIRE', key, 60000)
call('PTTL', key)
call('TTL', key)
call('EXISTS', key)
read = call('GET', key)
call('DEL', key)
call('HSET', key, 'field', ARGV[1])
call('HINCRBY', key, 'sum', 1)
call('HGET', key, 'field')
call('HEXISTS', key, 'field')
call('HKEYS', key)
call('HLEN', key)
call('HSTRLEN', key, 'field')
call('HDEL', key, 'field')
call('DEL', key)
call('ZADD', key, 1, ARGV[1])
call('EXPIRE', key, 60)
call('ZSCORE', key, ARGV[1])
call('ZCARD', key)
call('ZCOUNT', key, '-inf', '+inf')
call('ZRANGEBYSCORE', key, '-inf', '+inf')
call('ZREVRANGE', key, 0, 0)
call('ZREVRANGEBYSCORE', key, '+inf', '-inf')
call('ZREMRANGEBYSCORE', key, '-inf', 0)
call('ZREM', key, ARGV[1])
call('DEL', key)
return read
