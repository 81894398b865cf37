-- Drops entries that have no state, except those put less than `guard` seconds ago: their states may not be stored yet.
-- ARGV: life of an unsettled entry, of a settled one, guard, promptIds...
for n = 4, #ARGV do
  local at = standingOf(ARGV[n])
  local goes = tonumber(redis.call('ZSCORE', UNTIL, ARGV[n]) or '0')
  if not at or goes - tonumber(at <= 2 and ARGV[1] or ARGV[2]) <= now() - tonumber(ARGV[3]) then drop(ARGV[n]) end
end
return 1
