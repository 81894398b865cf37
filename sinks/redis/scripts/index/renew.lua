-- Renews the entries of many jobs where they are, and adds jobs that are in no set. The bytes of unsettled jobs stay as
-- they are.
-- ARGV: life of an unsettled entry, of a settled one, and of each job promptId, startedAt, standing (1-5). Answers the
-- standings that the jobs are filed under now.
local filed = {}
for n = 3, #ARGV, 3 do
  local id, at = ARGV[n], standingOf(ARGV[n])
  local life = tonumber(ARGV[(at or tonumber(ARGV[n + 2])) <= 2 and 1 or 2])
  if at then
    redis.call('ZADD', UNTIL, now() + life, id)
  else
    at = tonumber(ARGV[n + 2])
    file(id, ARGV[n + 1], at, life)
  end
  if at > 2 then setBytes(id, 0) end
  filed[#filed + 1] = at
end
trim(256)
for i = 1, #KEYS do redis.call('EXPIRE', KEYS[i], ARGV[1]) end
return filed
