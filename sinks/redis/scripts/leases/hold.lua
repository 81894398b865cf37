-- Takes the lease if nobody has it, if it is ours, or if it is exactly that of ARGV[3], whose process has certainly
-- ended. One that is ours is only extended, which Redis does even when its memory is full.
-- KEYS: lease. ARGV: owner, ms to live, the owner it may be taken from (empty: none).
-- Answers `held` (it was ours already), `took`, `overwrote` (what was there is no lease), or, refusing, the owner as
-- stored.
local held, outcome = looked('GET', KEYS[1]), 'took'
if held == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 'held'
end
if type(held) == 'table' then
  outcome = 'overwrote' -- an error: the value is no string
elseif held and (held ~= ARGV[3] or held == '') then
  local isJson, owner = pcall(cjson.decode, held)
  if isJson and type(owner) == 'table' and type(owner.instance) == 'string' then return held end
  outcome = 'overwrote'
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return outcome
