-- Drops jobs that a session watches no more, except those added less than `guard` seconds ago.
-- KEYS: jobs of the session. ARGV: seconds to live, guard, promptIds...
local latest = tonumber(redis.call('TIME')[1]) + tonumber(ARGV[1]) - tonumber(ARGV[2])
for n = 3, #ARGV do
  local goes = redis.call('ZSCORE', KEYS[1], ARGV[n])
  if goes and tonumber(goes) <= latest then redis.call('ZREM', KEYS[1], ARGV[n]) end
end
return 1
