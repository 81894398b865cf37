import type { Redis } from 'ioredis';
import {
  catchError,
  concat,
  concatMap,
  defer,
  EMPTY,
  forkJoin,
  ignoreElements,
  map,
  of,
  switchMap,
  throwError,
  type Observable,
} from 'rxjs';
import { StoreUnavailable, UnsuitableStore } from '../job-store';
import { missingRights } from './redis-rights';
import type { RedisNodes } from './connection/topology';

/** The oldest major version of Redis that has sharded pub/sub. */
const OLDEST_MAJOR = 7;

/** What a node says of itself; a field is absent where the user may not ask. */
export interface NodeFacts {
  /** The fields of INFO. */
  readonly info: ReadonlyMap<string, string>;
  /** CONFIG GET save: when the data set is written to disk. */
  readonly save?: string;
  readonly hasShardedPubSub?: boolean;
  /** By how much our clock is ahead of its, ms; negative where it is behind. */
  readonly aheadMs?: number;
}

/** Clocks may differ by this much, ms: answers take as long, and the gateway allows as much for tokens. */
const CLOCKS_DIFFER_MS = 5_000;

/** Emits what endangers jobs on these nodes, each once. Errors with `StoreUnavailable`, or `UnsuitableStore`. */
export function redisPreflight(redis: RedisNodes): Observable<readonly string[]> {
  const { ask, masters, isCluster } = redis;
  const nodes$ = defer(() => ask(() => Promise.resolve(masters())));
  return nodes$.pipe(
    concatMap((nodes) => concat(...nodes.map((node) => lettingIn(ask(() => node.ping()))), of(nodes))),
    switchMap((nodes) => forkJoin(nodes.map((node) => ask(() => factsOf(node))))),
    map((facts) => {
      facts.forEach((each) => assertSuitable(each, isCluster));
      return [...new Set(facts.flatMap(warningsOf))];
    }),
    // A replica takes no writes, so that trying the rights would fail; the warning says so.
    switchMap((warnings) =>
      warnings.some((warning) => warning.includes('is a replica'))
        ? of(warnings)
        : missingRights(redis).pipe(map((missing) => [...warnings, ...missing])),
    ),
  );
}

/**
 * Completes; errors with `UnsuitableStore` if Redis refuses the login, which is no outage: it does not end by itself.
 */
const lettingIn = (ping$: Observable<unknown>): Observable<never> =>
  ping$.pipe(
    ignoreElements(),
    catchError((error: unknown) => {
      const refusal = refusalOf(error);
      return refusal === undefined ? EMPTY : throwError(() => new UnsuitableStore(refusal));
    }),
  );

/** Why Redis refuses the login, in our words: its own may quote what was sent. */
function refusalOf(error: unknown): string | undefined {
  const [code] = /WRONGPASS|NOAUTH/.exec(error instanceof StoreUnavailable ? error.message : '') ?? [];
  if (code === 'WRONGPASS') return 'Redis refuses the user or the password in its URL (WRONGPASS)';
  return code && 'Redis wants a password, and its URL has none (NOAUTH)';
}

/** Hosted services and careful administrators forbid some of these commands: then the fact is absent. */
async function factsOf(node: Redis): Promise<NodeFacts> {
  const askedAt = Date.now();
  const [[text = '', answeredAt], save, commands] = await Promise.all([
    node
      .info()
      .catch(undefinedIfRefused)
      .then((answer) => [answer, Date.now()] as const),
    node.config('GET', 'save').catch(undefinedIfRefused),
    node.command('INFO', 'SPUBLISH').catch(undefinedIfRefused),
  ]);
  const info = new Map(
    text.split('\r\n').map((line): [string, string] => [line.split(':', 1).join(), line.replace(/^[^:]*:/, '')]),
  );
  const itsMs = Number(info.get('server_time_usec')) / 1000;
  return {
    info,
    ...(itsMs > 0 && { aheadMs: itsMs < askedAt ? askedAt - itsMs : Math.min(0, answeredAt - itsMs) }),
    ...(isPair(save) && { save: save[1] }),
    ...(Array.isArray(commands) && { hasShardedPubSub: commands[0] !== null }),
  };
}

/** Throws `UnsuitableStore` where no job could ever be stored or heard of. */
export function assertSuitable({ info, hasShardedPubSub }: NodeFacts, isCluster: boolean): void {
  const version = info.get('redis_version');
  if (version !== undefined && Number.parseInt(version) < OLDEST_MAJOR) {
    throw new UnsuitableStore(
      `Redis is version ${version}, and has to be ${OLDEST_MAJOR}.0 or newer (sharded pub/sub)`,
    );
  }
  if (hasShardedPubSub === false) {
    throw new UnsuitableStore('this Redis has no sharded pub/sub (SPUBLISH, SSUBSCRIBE), as Redis 7.0 or newer has');
  }
  if (info.get('cluster_enabled') === '1' && !isCluster) {
    throw new UnsuitableStore('this Redis is a node of a cluster: add ?cluster=1 to its URL, or name several nodes');
  }
}

/** One sentence for each setting that endangers jobs: which, why, and what to set. */
export function warningsOf({ info, save, aheadMs = 0 }: NodeFacts): readonly string[] {
  if (info.size < 2)
    return ['INFO is not allowed to this user, so nothing could be checked: allow it (ACL: +info +config|get)'];
  const policy = info.get('maxmemory_policy');
  const isAppending = info.get('aof_enabled') === '1';
  return [
    policy !== undefined && policy !== 'noeviction'
      ? `maxmemory-policy is ${policy}: jobs vanish when the memory is full; set maxmemory-policy noeviction`
      : '',
    !isAppending && save === ''
      ? 'appendonly is no and save is empty: all jobs are lost when Redis ends; set appendonly yes'
      : '',
    !isAppending && save === undefined
      ? 'appendonly is no, and whether save is set could not be checked: set appendonly yes, or allow +config|get'
      : '',
    info.get('role') === 'slave'
      ? 'this Redis is a replica (replicaof is set) and takes no writes; name its master'
      : '',
    Math.abs(aheadMs) > CLOCKS_DIFFER_MS ? wrongClock(aheadMs) : '',
  ].filter((warning) => warning !== '');
}

/**
 * A deadline is stored as a time by the clock of the instance that took the job, and kept by that of the one that holds
 * it.
 */
function wrongClock(aheadMs: number): string {
  const [place, when] = aheadMs > 0 ? ['ahead of', 'early'] : ['behind', 'late'];
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  return `the clock of this machine is ${seconds} s ${place} that of Redis: jobs that change hands time out so much too ${when}; set both clocks (NTP)`;
}

const isPair = (answer: unknown): answer is readonly [string, string] =>
  Array.isArray(answer) && answer.length === 2 && typeof answer[1] === 'string';

function undefinedIfRefused(error: unknown): undefined {
  if (/^(NOPERM|ERR unknown command)/.test((error as Error).message)) return undefined;
  throw error;
}
