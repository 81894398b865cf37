-- The jobs of an owner, one user or all: a set a status, each job in one of them, by when it was submitted.
-- KEYS: queued, processing, completed, failed, until (when each entry may go, s), bytes (of each workflow; '' is their sum).
-- An entry lives a little longer than any state it may lead to: `LIVES`, by status, in seconds.
local STATUSES = 4

local function now() return tonumber(redis.call('TIME')[1]) end

local function statusOf(id)
  for i = 1, STATUSES do
    if redis.call('ZSCORE', KEYS[i], id) then return i end
  end
end

local function setBytes(id, bytes)
  local before = tonumber(redis.call('HGET', KEYS[6], 'j' .. id) or '0')
  if bytes == before then return end
  redis.call('HINCRBY', KEYS[6], '', bytes - before)
  if bytes == 0 then redis.call('HDEL', KEYS[6], 'j' .. id) else redis.call('HSET', KEYS[6], 'j' .. id, bytes) end
end

local function drop(id)
  for i = 1, STATUSES do redis.call('ZREM', KEYS[i], id) end
  redis.call('ZREM', KEYS[5], id)
  setBytes(id, 0)
end

-- What has had its time goes, a few at a time, whether anybody reads or not.
local function trim(most)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', now(), 'LIMIT', 0, most)) do drop(id) end
end

local function file(id, startedAt, status, life)
  for i = 1, STATUSES do
    if i ~= status then redis.call('ZREM', KEYS[i], id) end
  end
  redis.call('ZADD', KEYS[status], startedAt, id)
  redis.call('ZADD', KEYS[5], now() + life, id)
end
