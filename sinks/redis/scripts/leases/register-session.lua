-- Registers a session. Writes only if something changed, since Redis refuses HSET when its memory is full.
-- KEYS: registry. ARGV: client id, registration. Answers `registered`, or `overwrote` if what was there is no registry.
local outcome, known = 'registered', looked('HGET', KEYS[1], ARGV[1])
if type(known) == 'table' then
  redis.call('DEL', KEYS[1])
  outcome = 'overwrote'
end
if known ~= ARGV[2] then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
return outcome
