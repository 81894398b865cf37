import { asyncScheduler, type SchedulerLike } from 'rxjs';
import type { UserLimits } from '../submit/beginnings';
import type { Telemetry } from '../telemetry/telemetry-event';
import { harmless } from '../../sinks/harmless';
import type { JobStore } from '../../sinks/job-store';
import type { ServerOptions } from '../../sources/server-address';
import { defaultSocketTiming, type SocketTiming } from '../../sources/session';
import { bounds } from '../../streams/bounds';
import { defaultTiming, type Timing } from '../../streams/job/timing';
import { filled, isRecord, MOST_TIMER_MS, refuseUnknown, type Kind } from '../../streams/options';
import type { Report } from '../../streams/operators/reporting';

/** What a pipeline is made of; all but `servers` and `store` has a default. */
export interface PipelineOptions {
  /** ComfyUI's URLs, credentials allowed; or with headers of your own, and the job types each takes. */
  readonly servers: readonly (string | ServerOptions)[];
  /** Closed with the pipeline; where several have it, with the last of them. */
  readonly store: JobStore;
  /** Where trouble that ends nothing is told; nowhere by default. */
  readonly report?: Report;
  /** Told what happens, for metrics; nobody by default. OpenTelemetry spans need none: they go to the SDK that is registered. */
  readonly telemetry?: Telemetry;
  /** `asyncScheduler` where absent; another one for tests in virtual time. */
  readonly clock?: SchedulerLike;
  /** For jitter: 0–1; `Math.random` where absent. */
  readonly random?: () => number;
  /** How many ms a job may take in all where its request does not say, trainings (`lora_training`) excepted; 12 h where absent, `Infinity` for no bound. */
  readonly timeoutMs?: number;
  /** What one user may have under way; 1,000 jobs, 16 MiB and 60,000 nodes where absent. */
  readonly userLimits?: Partial<UserLimits>;
  /** When jobs are looked up; `defaultTiming` for what is absent: 30 s while frames flow, 3 s without a socket. */
  readonly timing?: Partial<Timing>;
  /** Of WebSockets; `defaultSocketTiming` for what is absent. */
  readonly socketTiming?: Partial<SocketTiming>;
}

const defaultLimits: UserLimits = {
  jobs: bounds.jobsPerUser,
  bytes: bounds.bytesPerUser,
  nodes: bounds.nodesPerUser,
};

const KNOWN: Readonly<Record<keyof PipelineOptions, true>> = {
  ...{ servers: true, store: true, report: true, telemetry: true, clock: true, random: true },
  ...{ timeoutMs: true, userLimits: true, timing: true, socketTiming: true },
};

const TIME: Kind = {
  isGood: (value) => typeof value === 'number' && value >= 0 && value <= MOST_TIMER_MS,
  wanted: 'a number of ms, 24 days at most',
};
const LIMIT: Kind = {
  isGood: (value) => typeof value === 'number' && value >= 0,
  wanted: 'a number, or Infinity for no bound',
};

/**
 * What a pipeline goes by: what is given, checked, and the default of what is absent or `undefined`. Throws a `TypeError` that names
 * what is wrong.
 */
export function checkedOptions(options: PipelineOptions) {
  if (!isRecord(options)) throw new TypeError('a pipeline needs options, an object');
  refuseUnknown(options, KNOWN);
  const { servers, store, report, telemetry, clock = asyncScheduler, random, timeoutMs = bounds.jobMs } = options;
  if (!Array.isArray(servers)) throw new TypeError('servers must be a list of URLs');
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
    ...{ servers, store, clock, timeoutMs },
    report: harmless('report', report ?? (() => undefined)),
    tell: telemetry && harmless('telemetry', telemetry),
    random: random ? bounded(random) : Math.random,
    limits: filled('userLimits', defaultLimits, options.userLimits, LIMIT),
    timing: filled('timing', defaultTiming, options.timing, TIME),
    socketTiming: filled('socketTiming', defaultSocketTiming, options.socketTiming, TIME),
  };
}

/** A number from 0 to 1 whatever the caller's function gives: a wait that is none would have a server asked without end. */
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
