import { asyncScheduler, type SchedulerLike } from 'rxjs';
import type { UserLimits } from '../submit/user-limits';
import type { Telemetry } from '../telemetry/telemetry-event';
import { harmless } from '../../sinks/harmless';
import type { JobStore } from '../../sinks/job-store';
import type { ServerOptions } from '../../sources/server-address';
import { defaultSocketTiming, type SocketTiming } from '../../sources/session';
import { bounds } from '../../streams/bounds';
import { defaultTiming, type Timing } from '../../streams/job/timing';
import { filled, isRecord, MOST_TIMER_MS, refuseUnknown, type Kind } from '../../streams/options';
import type { Report } from '../../streams/operators/reporting';

/** The options of a pipeline; all but `servers` and `store` have a default. */
export interface PipelineOptions {
  /**
   * ComfyUI's URLs, credentials allowed; or objects with a URL, headers of your own, and the job types a server takes.
   */
  readonly servers: readonly (string | ServerOptions)[];
  /** Closed with the pipeline; if several pipelines of this process share it, with the last of them. */
  readonly store: JobStore;
  /** Called with each error that ends nothing; by default such errors are dropped. */
  readonly report?: Report;
  /** Called with each event, for metrics. OpenTelemetry spans do not need it: they go to the registered SDK. */
  readonly telemetry?: Telemetry;
  /** `asyncScheduler` by default; give another one for tests in virtual time. */
  readonly clock?: SchedulerLike;
  /** Numbers from 0 to 1, for jitter; `Math.random` by default. */
  readonly random?: () => number;
  /**
   * How long a job may take in all if its request does not say, ms; trainings (`lora_training`) have no limit. 12 h by
   * default, `Infinity` for no limit.
   */
  readonly timeoutMs?: number;
  /** What one user's unsettled jobs may come to; 1,000 jobs, 16 MiB of workflows and 60,000 nodes by default. */
  readonly userLimits?: Partial<UserLimits>;
  /**
   * When jobs are looked up; `defaultTiming` for absent fields: each 30 s while frames flow, each 3 s without a socket.
   */
  readonly timing?: Partial<Timing>;
  /** The time limits of sockets to ComfyUI; `defaultSocketTiming` for absent fields. */
  readonly socketTiming?: Partial<SocketTiming>;
}

const defaultLimits: UserLimits = {
  jobs: bounds.jobsPerUser,
  bytes: bounds.bytesPerUser,
  nodes: bounds.nodesPerUser,
};

const KNOWN: Readonly<Record<keyof PipelineOptions, true>> = {
  servers: true,
  store: true,
  report: true,
  telemetry: true,
  clock: true,
  random: true,
  timeoutMs: true,
  userLimits: true,
  timing: true,
  socketTiming: true,
};

const TIME: Kind = {
  isGood: (value) => typeof value === 'number' && value >= 0 && value <= MOST_TIMER_MS,
  wanted: 'a number of ms, 24 days at most',
};
const LIMIT: Kind = {
  isGood: (value) => typeof value === 'number' && value >= 0,
  wanted: 'a number, or Infinity for no bound',
};

/** Leaves the type as it is: `Array.isArray` would make a readonly list one of `any`. */
const isList = (value: unknown): boolean => Array.isArray(value);

/**
 * The options, checked, with the default for each that is absent or `undefined`. Throws a `TypeError` that names the
 * bad one.
 */
export function checkedOptions(options: PipelineOptions) {
  if (!isRecord(options)) throw new TypeError('a pipeline needs options, an object');
  refuseUnknown(options, KNOWN);
  const { servers, store, report, telemetry, clock = asyncScheduler, random, timeoutMs = bounds.jobMs } = options;
  if (!isList(servers)) throw new TypeError('servers must be a list of URLs');
  if (servers.length === 0) throw new TypeError('a pipeline needs at least one server');
  if (!isRecord(store) || typeof store.put !== 'function')
    throw new TypeError('store must be a store, such as redisStore(…) or embeddedStore(…) gives');
  for (const [name, given] of Object.entries({ report, telemetry, random }))
    if (given !== undefined && typeof given !== 'function') throw new TypeError(`${name} must be a function`);
  if (!isRecord(clock) || typeof clock.schedule !== 'function' || typeof clock.now !== 'function')
    throw new TypeError('clock must be a scheduler of RxJS');
  if (!(typeof timeoutMs === 'number' && timeoutMs > 0))
    throw new TypeError('timeoutMs must be a number of ms, or Infinity for no bound');
  return {
    servers,
    store,
    clock,
    timeoutMs,
    report: harmless('report', report ?? (() => undefined)),
    tell: telemetry && harmless('telemetry', telemetry),
    random: random ? bounded(random) : Math.random,
    limits: filled('userLimits', defaultLimits, options.userLimits, LIMIT),
    timing: filled('timing', defaultTiming, options.timing, TIME),
    socketTiming: filled('socketTiming', defaultSocketTiming, options.socketTiming, TIME),
  };
}

/**
 * A number from 0 to 1, whatever the caller's function returns: a wait of `NaN` ms would ask a server without pause.
 */
function bounded(random: () => number): () => number {
  let given = NaN;
  const ask = harmless('random', () => {
    given = random();
  });
  return () => {
    given = NaN;
    ask();
    return given >= 0 && given <= 1 ? given : Math.random();
  };
}
