-- What a command says of a key; a table where that is of another type. Any other error ends the script: that one may not look
-- proves nothing about what is there.
local function looked(...)
  local answer = redis.pcall(...)
  if type(answer) == 'table' and not string.find(answer.err, 'WRONGTYPE', 1, true) then return redis.call(...) end
  return answer
end
