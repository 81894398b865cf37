import { Subject, ReplaySubject, asyncScheduler, mergeMap, type Observable, type SchedulerLike } from 'rxjs';
import type { Pipeline } from '../api';
import { callsOf } from './calls';
import { choosing } from '../posting/choose-server';
import type { Demand } from '../demand';
import type { Env } from '../env';
import { learnedDurations } from './learned-durations';
import { lifeOf } from './life';
import { outages } from '../posting/outages';
import { pictures } from '../reads/pictures';
import { keptCurves } from '../reports/kept-curves';
import { opening } from '../reports/opening';
import { reports } from '../reports/reports';
import { beginnings, type UserLimits } from '../submit/beginnings';
import { reportedServer } from '../../sources/reports/reported-session';
import { posting } from '../posting/posting';
import { readsOf } from '../reads/reads';
import { sessions } from '../sessions/leased-sessions';
import { RememberedKeys } from '../submit/remembered-keys';
import { submissions } from '../submit/submissions';
import { observedServer, serverListener } from '../telemetry/observed-server';
import { observedStore, tracedWrites } from '../telemetry/observed-store';
import type { Backlog, Telemetry } from '../telemetry/telemetry-event';
import { tracking } from '../submit/tracking';
import { inTransit } from '../sessions/transit';
import type { JobStore } from '../../sinks/job-store';
import { writeBehind } from '../../sinks/writing/queued-writes';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import { comfyUIServer } from '../../sources/comfyui-server';
import { readingTime } from '../../sources/frames/reading-time';
import { serverAddress, type ServerOptions } from '../../sources/server-address';
import type { SocketTiming } from '../../sources/session';
import { jobBoard, type BoardView, type Preview } from '../../streams/board/board';
import { bounds } from '../../streams/bounds';
import type { JobState } from '../../streams/job/job-state';
import { defaultTiming, type Timing } from '../../streams/job/timing';
import { jittered } from '../../streams/operators/backoff';
import { watchers } from '../../streams/operators/keyed-watchers';
import { orNothing, reporting, type Report } from '../../streams/operators/reporting';

/** What a pipeline is made of; all but `servers` and `store` has a default. */
export interface PipelineOptions {
  /** ComfyUI's URLs, credentials allowed; or with headers of your own, and the job types each takes. */
  readonly servers: readonly (string | ServerOptions)[];
  /** Closed with the pipeline. */
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

/** When a settled state is written once more: a Redis that dies, or fails over, may lose what it acknowledged. */
const CONFIRM_MS = 20_000;

/**
 * Starts watching: opens a socket to each server and takes up every unsettled job of the store that nobody watches. Waits
 * for neither: what is away is tried again. Throws a `TypeError` for no servers, for a URL
 * that is none, and for a URL or name that two servers have.
 */
export function createPipeline(options: PipelineOptions): Pipeline {
  const { report = () => undefined, clock = asyncScheduler, random = Math.random, telemetry: tell } = options;
  const store = tell === undefined ? options.store : observedStore(options.store, tell);
  const env: Env = {
    clock,
    random,
    report,
    tell,
    backoff: jittered({ firstMs: 1_000, maxMs: 16_000, steadyMs: 60_000 }, random),
  };
  const servers = serversOf(options, env);
  const durations = learnedDurations(store, env);
  const kept = pictures(store, env);
  const board = jobBoard({ ...defaultTiming, ...options.timing }, report, durations.durationsOn, kept.hasRoom);
  const local = { states: watchers<JobState>(), previews: watchers<Preview>() };
  const stop$ = new ReplaySubject<void>(1);
  const refused$ = new Subject<JobState>();
  const onStale = (state: JobState): void => refused$.next(state);
  const writer = writeBehind(tracedWrites(store), { clock, random, report, onStale, confirmMs: CONFIRM_MS });
  const transit = inTransit();

  const told = (promptId: string): Observable<JobState> => local.states.changes(promptId);

  const held = sessions({ servers: [...servers, reportedServer], store, writer, board, transit, told, stop$ }, env);
  const choice = choosing(servers, (serverUrl) => held.own(serverUrl), board);
  const posts = posting({ choice, sessions: held, board, store, writer, told }, env);
  const curves = keptCurves(store, env);
  const keys = new RememberedKeys({ board, transit, store }, env);
  const life = lifeOf(
    {
      ...{ servers, sessions: held, posting: posts, board, local, pictures: kept, durations, curves, keys },
      ...{ writer, store, stop$ },
      demand$: refused$.pipe(mergeMap((state) => lettingGo(state, board, env))),
      outage$: outages(choice, board, env),
    },
    env,
  );

  const reads = readsOf({
    ...{ board, local: local.states, writer, store, clock },
    attempted: (work$) => work$.pipe(reporting('store', report), orNothing),
  });
  const { run } = life;
  const timeoutMs = timeoutOf(options.timeoutMs ?? bounds.jobMs);
  const limits = { ...defaultLimits, ...options.userLimits };
  const begun = beginnings({ board, reads, transit, store, writer, keys, limits, run }, env);
  const submit = submissions({ choice, sessions: held, board, posting: posts, beginnings: begun, timeoutMs });
  const open = opening({ sessions: held, beginnings: begun, timeoutMs });
  const take = reports({ board, reads, store, writer, run }, env);
  const track = tracking({ choice, sessions: held, board, reads, run }, env);
  const calls = callsOf(
    {
      ...{ choice, sessions: held, board, posting: posts, local, pictures: kept, curves, store, reads, life, stop$ },
      ...{ submit, open, report: take, track },
    },
    env,
  );
  return toldOf(calls, writer, env);
}

/** Tells that the pipeline is there, and what may be asked of it. */
function toldOf(calls: Pipeline, writer: WriteBehind, { tell }: Env): Pipeline {
  const backlog = (): Backlog => ({ jobs: writer.pending(), oldestMs: writer.oldestMs() });
  tell?.({ tag: 'opened', pipeline: { servers: () => calls.servers(), backlog } });
  return calls;
}

/** A write of ours was refused: another instance has the job, unless it was taken up here again meanwhile. */
function lettingGo({ promptId, epoch }: JobState, board: BoardView, { tell }: Env): readonly Demand[] {
  tell?.({ tag: 'fenced' });
  const job = board.job(promptId);
  return job !== undefined && job.state.epoch <= epoch ? [{ tag: 'letGo', promptId }] : [];
}

function serversOf({ servers, socketTiming }: PipelineOptions, { clock, backoff, report, tell }: Env) {
  if (!Array.isArray(servers)) throw new TypeError('servers must be a list of URLs');
  if (servers.length === 0) throw new TypeError('a pipeline needs at least one server');
  const policy = { clock, backoff, time: readingTime(), ...(socketTiming !== undefined && { socketTiming }) };
  const addresses = servers.map(serverAddress);
  refuseTwice(
    'URL',
    addresses.map(({ url }) => url),
  );
  refuseTwice(
    'name',
    addresses.map(({ name }) => name),
  );
  return addresses.map((address) => {
    const listener = tell && serverListener(address.name, tell);
    return observedServer(comfyUIServer(address, { ...policy, ...(listener && { listener }) }, report), tell);
  });
}

/** Two servers that are one would each count, ask and watch its jobs. */
function refuseTwice(what: string, given: readonly string[]): void {
  const twice = given.find((each, n) => given.indexOf(each) < n);
  if (twice !== undefined) throw new TypeError(`two servers have the ${what} ${twice}; give each once`);
}

/** A training takes as long as it takes. */
const timeoutOf =
  (timeoutMs: number) =>
  (type: string): number | undefined =>
    type === 'lora_training' || !Number.isFinite(timeoutMs) ? undefined : timeoutMs;
