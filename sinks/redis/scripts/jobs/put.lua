-- Stores a state, with its workflow where one is given, and publishes it, unless a newer owner's state (R11) or the
-- job's end (R1) is stored: in one script, so that nothing comes in between.
--
-- KEYS: state, fence, feed channel, workflow, files (all in one slot).
-- ARGV: the state as JSON, its epoch, its seq, seconds to live, 1 if it is settled, the workflow (empty: none is
-- given), seconds for that to live.
-- Answers `stored`, `created` (nothing was there), `stale` or `overwrote` (what was there is no state), and how many
-- received it (-1: it was not published).
--
-- A new owner may have read the state before the job ended: a settled state stays, whatever epoch and seq come. Its fence
-- says that it is one: Lua decodes no half surrogate, nor what is nested a thousand deep, which metadata and a file's
-- name may hold. Older versions' fences do not; a state that names no end anywhere is then not decoded.
--
-- The fence ("epoch:seq", or "epoch:seq:settled") is what counts; where it is missing, the stored JSON's own numbers do. The very same JSON
-- with the same epoch and seq is stored again: ioredis may send a command twice. A publish that fails makes the whole
-- fail, but the state is stored, and the repeated write then only renews it. If the user may not publish at all, those
-- who watch poll.
local epoch, seq = tonumber(ARGV[2]), tonumber(ARGV[3])
local fence, stored = looked('GET', KEYS[2]), looked('GET', KEYS[1])
local heldEpoch, heldSeq, mark, outcome = nil, nil, '', 'stored'
if type(stored) == 'table' then outcome = 'overwrote' end -- an error: the value is no string

if type(fence) == 'string' then
  heldEpoch, heldSeq, mark = string.match(fence, '^(%d+):(%d+)(.*)$')
  if mark ~= '' and mark ~= ':settled' then heldEpoch = nil end
end
if heldEpoch then
  heldEpoch, heldSeq = tonumber(heldEpoch), tonumber(heldSeq)
elseif stored then
  local isJson, state = pcall(cjson.decode, stored)
  if isJson and type(state) == 'table' and type(state.epoch) == 'number' and type(state.seq) == 'number' then
    heldEpoch, heldSeq = state.epoch, state.seq
  else
    outcome = 'overwrote'
  end
end

if not heldEpoch and not stored then outcome = 'created' end

local function isSettled(text)
  if not string.find(text, '"completed"', 1, true) and not string.find(text, '"failed"', 1, true) then return false end
  local isJson, state = pcall(cjson.decode, text)
  return isJson and type(state) == 'table' and (state.status == 'completed' or state.status == 'failed')
end

local repeated, listeners = false, -1
if heldEpoch then
  if heldEpoch > epoch or (heldEpoch == epoch and heldSeq > seq) then return { 'stale', -1 } end
  if type(stored) == 'string' then
    repeated = heldEpoch == epoch and heldSeq == seq and stored == ARGV[1]
    local isEnd = mark == ':settled' or isSettled(stored)
    if not repeated and ((heldEpoch == epoch and heldSeq == seq) or isEnd) then return { 'stale', -1 } end
  end
end

redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[4])
redis.call('SET', KEYS[2], ARGV[2] .. ':' .. ARGV[3] .. (ARGV[5] == '1' and ':settled' or ''), 'EX', ARGV[4])
if ARGV[5] == '1' then
  redis.call('DEL', KEYS[4])
elseif ARGV[6] ~= '' then
  redis.call('SET', KEYS[4], ARGV[6], 'EX', ARGV[7])
else
  redis.call('EXPIRE', KEYS[4], ARGV[7])
end
redis.call('EXPIRE', KEYS[5], ARGV[4])
if not repeated then
  local heard = redis.pcall('SPUBLISH', KEYS[3], ARGV[1])
  local refusal = type(heard) == 'table' and heard.err
  if type(heard) == 'number' then listeners = heard end
  if refusal and not string.find(refusal, 'NOPERM') and not string.find(refusal, 'user executing') and not string.find(refusal, 'ACL') then
    return heard
  end
end
return { outcome, listeners }
