-- Writes only what is news, which a Redis that is full would refuse.
-- KEYS: registry. ARGV: client id, registration. Answers `registered`, or `overwrote` where what was there is no registry.
local outcome, known = 'registered', looked('HGET', KEYS[1], ARGV[1])
if type(known) == 'table' then
  redis.call('DEL', KEYS[1])
  outcome = 'overwrote'
end
if known ~= ARGV[2] then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
return outcome
