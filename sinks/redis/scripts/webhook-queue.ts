/**
 * Every hook is in one slot, so that a script sees both the order in which they are due and each of them. Times are
 * Redis's own, in ms. A hash that has no `text` is a hook that is done.
 */
const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/** KEYS: due, hook. ARGV: promptId, text, ms until due, seconds to live. */
const ADD_HOOK = `${NOW}
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
redis.call('HSET', KEYS[2], 'text', ARGV[2], 'until', '0')
redis.call('EXPIRE', KEYS[2], ARGV[4])
return redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
`;

/** KEYS: due, hook. ARGV: promptId. */
const HURRY_HOOK = `${NOW}
local claimedUntil = tonumber(redis.call('HGET', KEYS[2], 'until') or '0')
return redis.call('ZADD', KEYS[1], 'XX', 'LT', math.max(now, claimedUntil), ARGV[1])
`;

/** KEYS: due. ARGV: how many, for how many ms, how a hook's key begins. */
const CLAIM_HOOKS = `${NOW}
local claimed = {}
for _, promptId in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])) do
  local key = ARGV[3] .. promptId
  local text = redis.call('HGET', key, 'text')
  if text then
    redis.call('HSET', key, 'until', now + ARGV[2])
    redis.call('ZADD', KEYS[1], now + ARGV[2], promptId)
    claimed[#claimed + 1] = promptId
    claimed[#claimed + 1] = text
  else
    redis.call('ZREM', KEYS[1], promptId)
  end
end
return claimed
`;

/** KEYS: due, hook. ARGV: promptId, text, ms until due, seconds to live. */
const LATER_HOOK = `${NOW}
if redis.call('HEXISTS', KEYS[2], 'text') == 0 then return 0 end
redis.call('HSET', KEYS[2], 'text', ARGV[2], 'until', '0')
redis.call('EXPIRE', KEYS[2], ARGV[4])
return redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
`;

/** KEYS: due, hook. ARGV: promptId, seconds to remember it. */
const DONE_HOOK = `
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], 'text')
redis.call('HSET', KEYS[2], 'until', '0')
return redis.call('EXPIRE', KEYS[2], ARGV[2])
`;

type Script<Answer> = (...keysAndArgs: readonly (string | number)[]) => Promise<Answer>;

export interface HookScripts {
  readonly addHook: Script<number>;
  readonly hurryHook: Script<number>;
  readonly claimHooks: Script<string[]>;
  readonly laterHook: Script<number>;
  readonly doneHook: Script<number>;
}

/** As ioredis wants them. */
export const HOOK_SCRIPTS = {
  addHook: { lua: ADD_HOOK, numberOfKeys: 2 },
  hurryHook: { lua: HURRY_HOOK, numberOfKeys: 2 },
  claimHooks: { lua: CLAIM_HOOKS, numberOfKeys: 1 },
  laterHook: { lua: LATER_HOOK, numberOfKeys: 2 },
  doneHook: { lua: DONE_HOOK, numberOfKeys: 2 },
} satisfies Record<keyof HookScripts, object>;
