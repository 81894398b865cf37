/** Scripts of one key each, for in a cluster two sessions, or a session and the registry, are on different nodes. All may run twice. */
export interface LeaseScripts {
  /** Answers `held`, `overwrote` where what was there is no lease, or, refusing, the owner as stored. */
  holdLease(key: string, owner: string, ttlMs: number, from: string): Promise<string>;
  /** Answers whether it was ours. */
  releaseLease(key: string, owner: string): Promise<number>;
  /** Answers the owner (empty: none that can be read) and the ms left, or `[]` where there is no lease. */
  lookAtLease(key: string, ttlMs: number): Promise<readonly [owner?: string, leftMs?: number]>;
  /** Answers `registered`, or `overwrote` where what was there is no registry. */
  registerSession(key: string, clientId: string, registration: string): Promise<string>;
}

/**
 * Takes the lease if nobody has it, if it is ours, or if it is exactly that of `from`, whose process is known to be
 * gone. One that is ours is only extended, which a Redis that is full still does.
 */
const HOLD_LEASE = `
local held, outcome = redis.pcall('GET', KEYS[1]), 'held'
if held == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return outcome
end
if type(held) == 'table' then
  outcome = 'overwrote' -- an error: the value is no string
elseif held and (held ~= ARGV[3] or held == '') then
  local isJson, owner = pcall(cjson.decode, held)
  if isJson and type(owner) == 'table' and type(owner.instance) == 'string' then return held end
  outcome = 'overwrote'
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return outcome
`;

const RELEASE_LEASE = `
if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`;

/** A lease that runs out never, which none of ours does, is given an end. */
const LOOK_AT_LEASE = `
local held, left = redis.pcall('GET', KEYS[1]), redis.call('PTTL', KEYS[1])
if left == -2 then return {} end
if type(held) ~= 'string' then return {'', left} end
if left == -1 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  left = tonumber(ARGV[1])
end
return {held, left}
`;

/** Writes only what is news, which a Redis that is full would refuse. */
const REGISTER_SESSION = `
local outcome, known = 'registered', redis.pcall('HGET', KEYS[1], ARGV[1])
if type(known) == 'table' then
  redis.call('DEL', KEYS[1])
  outcome = 'overwrote'
end
if known ~= ARGV[2] then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
return outcome
`;

/** As ioredis wants them. */
export const LEASE_SCRIPTS = {
  holdLease: { lua: HOLD_LEASE, numberOfKeys: 1 },
  releaseLease: { lua: RELEASE_LEASE, numberOfKeys: 1 },
  lookAtLease: { lua: LOOK_AT_LEASE, numberOfKeys: 1 },
  registerSession: { lua: REGISTER_SESSION, numberOfKeys: 1 },
} satisfies Record<keyof LeaseScripts, object>;
