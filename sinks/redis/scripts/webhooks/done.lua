-- Marks a hook as done: its hash stays for a while without the text.
-- KEYS: due, hook. ARGV: promptId, seconds to remember it.
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], 'text')
redis.call('HSET', KEYS[2], 'until', '0')
return redis.call('EXPIRE', KEYS[2], ARGV[2])
