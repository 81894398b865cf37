-- `add`: adds a job that is in no set, or renews its entry. `move`: puts it into the set of its standing. With a
-- `guard`, leaves an entry alone that has this standing already, or that was put less than `guard` seconds ago.
-- ARGV: promptId, startedAt, standing (1-5), life of an unsettled entry, of a settled one, `add` or `move`, bytes of
-- the workflow (empty: as before), guard (0: none). Answers the standing that the job is filed under now.
local id, standing, guard = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[8])
local function life(at) return tonumber(at <= 2 and ARGV[4] or ARGV[5]) end
local at = standingOf(id)
if guard > 0 and at then
  local goes = tonumber(redis.call('ZSCORE', UNTIL, id) or '0')
  if at == standing or goes - life(at) > now() - guard then return at end
end
if at and ARGV[6] == 'add' then
  redis.call('ZADD', UNTIL, now() + life(at), id)
else
  at = standing
  file(id, ARGV[2], at, life(at))
end
if at > 2 then setBytes(id, 0) elseif ARGV[7] ~= '' then setBytes(id, tonumber(ARGV[7])) end
trim(16)
for i = 1, #KEYS do redis.call('EXPIRE', KEYS[i], ARGV[4]) end
return at
