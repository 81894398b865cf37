-- Reads a lease. One without an expiry, as we never write, gets one here: it would last for ever.
-- KEYS: lease. ARGV: ms to live. Answers the owner (empty: none that can be read) and the ms left, or `[]` if there is
-- no lease.
local held, left = looked('GET', KEYS[1]), redis.call('PTTL', KEYS[1])
if left == -2 then return {} end
if type(held) ~= 'string' then return {'', left} end
if left == -1 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  left = tonumber(ARGV[1])
end
return {held, left}
