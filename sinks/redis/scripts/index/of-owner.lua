-- The jobs of one owner, a user or all users: a set for each standing, scored by submit time; each job is in one of
-- them.
-- KEYS: queued, processing, completed, failed, cancelled, until (when each entry expires, s since 1970), bytes (of each
-- job's workflow; field '' is their sum; of all users none are put, but what older versions put goes with its job).
-- An entry lives a little longer than its state does: `LIVES`, by standing, in seconds.
local STANDINGS = 5
local UNTIL, BYTES = KEYS[6], KEYS[7]

local function now() return tonumber(redis.call('TIME')[1]) end

local function standingOf(id)
  for i = 1, STANDINGS do
    if redis.call('ZSCORE', KEYS[i], id) then return i end
  end
end

local function setBytes(id, bytes)
  local before = tonumber(redis.call('HGET', BYTES, 'j' .. id) or '0')
  if bytes == before then return end
  redis.call('HINCRBY', BYTES, '', bytes - before)
  if bytes == 0 then redis.call('HDEL', BYTES, 'j' .. id) else redis.call('HSET', BYTES, 'j' .. id, bytes) end
end

local function drop(id)
  for i = 1, STANDINGS do redis.call('ZREM', KEYS[i], id) end
  redis.call('ZREM', UNTIL, id)
  setBytes(id, 0)
end

-- Drops expired entries, `most` at most. Every write calls it too, so that they go even if nobody reads.
local function trim(most)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', UNTIL, '-inf', now(), 'LIMIT', 0, most)) do drop(id) end
end

local function file(id, startedAt, standing, life)
  for i = 1, STANDINGS do
    if i ~= standing then redis.call('ZREM', KEYS[i], id) end
  end
  redis.call('ZADD', KEYS[standing], startedAt, id)
  redis.call('ZADD', UNTIL, now() + life, id)
end
