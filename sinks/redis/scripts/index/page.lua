-- The newest entries after a place, of each standing that is asked for, and how many there are of each standing.
-- ARGV: how many, startedAt and promptId of the place (empty: from the first), `until` (empty: none), standings ('13')
-- Answers the five counts, and for each standing asked for a list of promptId, startedAt, ...
local most, after, afterId, before, wanted = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4], ARGV[5]
trim(256)

-- Compares by byte, as Redis orders members of the same score. Lua's own comparison uses the locale.
local function precedes(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x > y end
  end
  return #a > #b
end

local function first(key)
  local rank = 0
  if before ~= '' then rank = redis.call('ZCOUNT', key, before, '+inf') end
  if after == '' then return rank end
  local past = redis.call('ZCOUNT', key, '(' .. after, '+inf')
  for _, id in ipairs(redis.call('ZREVRANGEBYSCORE', key, after, after)) do
    if id == afterId or precedes(id, afterId) then past = past + 1 else break end
  end
  return math.max(rank, past)
end

local answer = { {} }
for i = 1, STANDINGS do
  answer[1][i] = redis.call('ZCARD', KEYS[i])
  if most > 0 and string.find(wanted, tostring(i), 1, true) then
    local from = first(KEYS[i])
    answer[#answer + 1] = redis.call('ZREVRANGE', KEYS[i], from, from + most - 1, 'WITHSCORES')
  end
end
return answer
