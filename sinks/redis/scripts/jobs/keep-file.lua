-- Stores a file of a job for as long as its state lives, in place of one of the same name.
-- KEYS: files, state. ARGV: name, MIME type, bytes, most bytes in all, most files, seconds to live without a state.
-- Answers 1, or 0 if a limit would be exceeded.
local total, many = #ARGV[3], 1
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(name, 1, 1) == 'b' and string.sub(name, 2) ~= ARGV[1] then
    total = total + redis.call('HSTRLEN', KEYS[1], name)
    many = many + 1
  end
end
if total > tonumber(ARGV[4]) or many > tonumber(ARGV[5]) then return 0 end
redis.call('HSET', KEYS[1], 'm' .. ARGV[1], ARGV[2], 'b' .. ARGV[1], ARGV[3])
local left = redis.call('TTL', KEYS[2])
redis.call('EXPIRE', KEYS[1], left > 0 and left or ARGV[6])
return 1
