-- Publishes a message that is not stored, unless a newer owner's state is (R11).
-- KEYS: fence, channel (in one slot). ARGV: epoch of the sender, the message. Answers how many received it; 0 if the
-- user may not publish.
local fence = redis.call('GET', KEYS[1])
local held = fence and tonumber(string.match(fence, '^(%d+):'))
if held and held > tonumber(ARGV[1]) then return 0 end
local heard = redis.pcall('SPUBLISH', KEYS[2], ARGV[2])
return type(heard) == 'number' and heard or 0
