-- The answer of a command; its error, a table, if the key is of another type. Any other error, as NOPERM, ends the
-- script: it proves nothing about the key.
local function looked(...)
  local answer = redis.pcall(...)
  if type(answer) == 'table' and not string.find(answer.err, 'WRONGTYPE', 1, true) then return redis.call(...) end
  return answer
end
