import { Subject, ReplaySubject, mergeMap, type Observable } from 'rxjs';
import type { Pipeline } from '../api';
import { callsOf } from './calls';
import { choosing } from '../posting/choose-server';
import type { Demand } from '../demand';
import type { Env } from '../env';
import { learnedDurations } from './learned-durations';
import { lifeOf } from './life';
import { checkedOptions, type PipelineOptions } from './options';
import { outages } from '../posting/outages';
import { pictures } from '../reads/pictures';
import { keptCurves } from '../reports/kept-curves';
import { opening } from '../reports/opening';
import { reports } from '../reports/reports';
import { beginnings } from '../submit/beginnings';
import { reportedServer } from '../../sources/reports/reported-session';
import { holdStore } from './store-holders';
import { posting } from '../posting/posting';
import { readsOf } from '../reads/reads';
import { storeSight } from '../reads/store-sight';
import { sessions } from '../sessions/leased-sessions';
import { RememberedKeys } from '../submit/remembered-keys';
import { submissions } from '../submit/submissions';
import { observedServer, serverListener } from '../telemetry/observed-server';
import { tracedWrites } from '../telemetry/observed-store';
import type { Backlog } from '../telemetry/telemetry-event';
import { tracking } from '../submit/tracking';
import { inTransit } from '../sessions/transit';
import { writeBehind } from '../../sinks/writing/queued-writes';
import type { JobStore } from '../../sinks/job-store';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import { comfyUIServer } from '../../sources/comfyui-server';
import { readingTime } from '../../sources/frames/reading-time';
import { serverAddress } from '../../sources/server-address';
import type { SocketTiming } from '../../sources/session';
import { jobBoard, type BoardView, type Preview } from '../../streams/board/board';
import type { JobState } from '../../streams/job/job-state';
import type { Timing } from '../../streams/job/timing';
import { jittered } from '../../streams/operators/backoff';
import { watchers } from '../../streams/maps/keyed-watchers';
import { skippingErrors } from '../../streams/operators/reporting';

export type { PipelineOptions };

/** A settled state is written again after 20 s: a Redis that crashes or fails over may lose acknowledged writes. */
const CONFIRM_MS = 20_000;

/**
 * Starts an instance: it opens a socket to each server and takes up every unsettled job of the store that no instance
 * watches. Returns at once; a server or store that is away is tried again. Throws a `TypeError` for an unknown or
 * invalid option, which it names, for no servers, for an invalid URL, and for a URL or name that two servers share.
 */
export function createPipeline(options: PipelineOptions): Pipeline {
  const { report, tell, clock, random, limits, timing, timeoutMs, ...given } = checkedOptions(options);
  const stop$ = new ReplaySubject<void>(1);
  const backoff = jittered({ firstMs: 1_000, maxMs: 16_000, steadyMs: 60_000 }, random);
  const env: Env = { clock, random, report, tell, backoff };
  const { store, ...sight } = storeSight(given.store, { clock, tell }, stop$);
  const servers = serversOf(given, env);
  const core = coreOf({ store, stop$, timing }, env);
  const { board, local, writer, refused$ } = core;

  // Each part takes what it names of those before it.
  const told = (promptId: string): Observable<JobState> => local.states.changes(promptId);
  const held = sessions({ ...core, servers: [...servers, reportedServer], told }, env);
  const choice = choosing(servers, (serverUrl) => held.own(serverUrl), board, clock);
  const posts = posting({ ...core, choice, sessions: held, told }, env);
  const working = { ...core, choice, sessions: held, posting: posts, keys: new RememberedKeys(core, env) };
  const life = lifeOf(
    {
      ...working,
      servers,
      closeStore: holdStore(given.store),
      demand$: refused$.pipe(mergeMap((state) => lettingGo(state, board, env))),
      outage$: outages(working, env),
    },
    env,
  );

  const attempted = skippingErrors('store', report);
  const reads = readsOf({ ...core, local: local.states, sight, clock, attempted });
  const asked = { ...working, reads, sight, run: life.run, limits, timeoutMs: timeoutOf(timeoutMs) };
  const begun = { ...asked, beginnings: beginnings(asked, env) };
  const calls = callsOf(
    {
      ...asked,
      life,
      submit: submissions(begun),
      open: opening(begun),
      report: reports(asked, env),
      track: tracking(asked, env),
    },
    env,
  );
  return toldOf(calls, writer, env);
}

interface CoreParts {
  readonly store: JobStore;
  readonly stop$: ReplaySubject<void>;
  readonly timing: Timing;
}

/** What all parts of an instance share: its store, what it knows of its jobs, and who is told of them. */
function coreOf({ store, stop$, timing }: CoreParts, env: Env) {
  const { clock, random, report } = env;
  const durations = learnedDurations(store, env);
  const kept = pictures(store, env);
  const refused$ = new Subject<JobState>();
  const onStale = (state: JobState): void => refused$.next(state);
  const local = { states: watchers<JobState>(), previews: watchers<Preview>() };
  const isFollowed = (promptId: string): boolean => local.states.has(promptId) || store.isHeard(promptId);
  return {
    store,
    stop$,
    durations,
    pictures: kept,
    board: jobBoard(timing, report, durations.durationsOn, kept.hasRoom, isFollowed),
    local,
    writer: writeBehind(tracedWrites(store), { clock, random, report, onStale, confirmMs: CONFIRM_MS }),
    /** The states whose write was refused, as another instance has written a newer one. */
    refused$,
    transit: inTransit(),
    curves: keptCurves(store, env),
  };
}

/** Tells the telemetry that the pipeline has opened, with what a metrics page reads of it. */
function toldOf(calls: Pipeline, writer: WriteBehind, { tell }: Env): Pipeline {
  const backlog = (): Backlog => ({ jobs: writer.pending(), oldestMs: writer.oldestMs() });
  tell?.({ tag: 'opened', pipeline: { servers: () => calls.servers(), backlog } });
  return calls;
}

/**
 * Lets a job go whose write was refused, as another instance has it; not if this instance has taken it up again since.
 */
function lettingGo({ promptId, epoch }: JobState, board: BoardView, { tell }: Env): readonly Demand[] {
  tell?.({ tag: 'fenced' });
  const job = board.job(promptId);
  return job !== undefined && job.state.epoch <= epoch ? [{ tag: 'letGo', promptId }] : [];
}

function serversOf(
  { servers, socketTiming }: Pick<PipelineOptions, 'servers'> & { readonly socketTiming: SocketTiming },
  { clock, backoff, report, tell }: Env,
) {
  const policy = { clock, backoff, time: readingTime(), socketTiming };
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

/** One server given twice would be asked twice, and its jobs counted twice. */
function refuseTwice(what: string, given: readonly string[]): void {
  const twice = given.find((each, n) => given.indexOf(each) < n);
  if (twice !== undefined) throw new TypeError(`two servers have the ${what} ${twice}; give each once`);
}

/** The default deadline of a job, ms; a training has none. */
const timeoutOf =
  (timeoutMs: number) =>
  (type: string): number | undefined =>
    type === 'lora_training' || !Number.isFinite(timeoutMs) ? undefined : timeoutMs;
