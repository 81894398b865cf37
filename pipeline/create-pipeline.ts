import {
  ReplaySubject,
  Subject,
  asyncScheduler,
  concat,
  defer,
  filter,
  finalize,
  firstValueFrom,
  from,
  interval,
  lastValueFrom,
  map,
  merge,
  mergeMap,
  of,
  repeat,
  takeUntil,
  takeWhile,
  timeout,
  timer,
  toArray,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { answers } from './reads';
import { runs } from './posting';
import { newState, submissions } from './submissions';
import { ownership } from './sessions';
import { UnknownJob, type JobRequest, type Pipeline } from './api';
import { defaultHoldingPolicy } from './lease-keeper';
import type { JobStore } from '../sinks/job-store';
import { writeBehind } from '../sinks/write-behind';
import { comfyUIServer } from '../sources/comfyui-server';
import { serverAddress, type ServerOptions } from '../sources/server-address';
import { SocketClosed, type SocketTiming } from '../sources/session';
import { jittered, type Backoff } from '../streams/operators/backoff';
import { jobBoard, type BoardEvent, type Change } from '../streams/board/board';
import { jobOf } from '../streams/job/job';
import { jobChanges } from '../streams/job-changes';
import { isSettled, sessionOf, type JobState } from '../streams/job/job-state';
import { orNothing, reporting, type Report } from '../streams/operators/reporting';
import { defaultTiming, type Timing } from '../streams/job/timing';
import { watchers } from '../streams/operators/keyed-watchers';

export * from './api';

export interface PipelineOptions {
  /** ComfyUI's URLs, credentials allowed; or with headers of your own, and the job types each takes. */
  readonly servers: readonly (string | ServerOptions)[];
  /** Closed with the pipeline. */
  readonly store: JobStore;
  /** Where trouble that ends nothing is told; nowhere by default. */
  readonly report?: Report;
  readonly clock?: SchedulerLike;
  /** For jitter: 0–1. */
  readonly random?: () => number;
  readonly timing?: Partial<Timing>;
  readonly socketTiming?: Partial<SocketTiming>;
}

/** How long `submit` and `cancel` keep their caller waiting for ComfyUI. */
const ANSWER_MS = 10_000;
/** How often is seen whether a look or a new socket is due. Costs no request. */
const TICK_MS = 250;
/** How often an unsettled job's state is written although it did not change. */
const RENEW_MS = 600_000;
/** When a settled state is written once more: a Redis that dies, or fails over, may lose what it acknowledged. */
const CONFIRM_MS = 20_000;
/** How long closing waits for a store that does not answer. */
const DRAIN_MS = 5_000;

/** Starts watching: opens a socket to each server and takes up every unsettled job of the store. */
export function createPipeline(options: PipelineOptions): Pipeline {
  const { store, report = () => undefined, clock = asyncScheduler, random = Math.random, socketTiming } = options;
  const timing = { ...defaultTiming, ...options.timing };
  const backoff = jittered({ firstMs: 1_000, maxMs: 16_000, steadyMs: 60_000 }, random);
  const looking = jittered({ firstMs: 1_000, maxMs: 8_000, steadyMs: 20_000 }, random);
  const board = jobBoard(timing);
  const local = watchers();
  const writer = writeBehind(store, { clock, report, onStale: letGoOf, confirmMs: CONFIRM_MS });
  const stop$ = new ReplaySubject<void>(1);
  const commands$ = new Subject<Observable<BoardEvent>>();
  /** What the store cannot do now is reported, and no reason to stop (R12). */
  const attempted = <T>(work$: Observable<T>): Observable<T> => work$.pipe(reporting('store', report), orNothing);
  const asked = answers({ board, local, writer, store, attempted });

  const servers = options.servers.map((server) => {
    return comfyUIServer(
      serverAddress(server),
      { clock, backoff, ...(socketTiming !== undefined && { socketTiming }) },
      report,
    );
  });
  if (servers.length === 0) throw new TypeError('a pipeline needs at least one server');
  const owned = ownership({
    servers,
    store,
    board,
    stop$,
    isComing: (promptId) => submitting.isComing(promptId),
    cancel: (promptId) => posting.stop(promptId),
    resumed: (state, prompt) => posting.resumed(state, prompt),
    policy: { ...defaultHoldingPolicy, clock, random },
    backoff,
    report,
  });
  const { own, isHeld, isTrusted } = owned;
  const posting = runs({
    ...{ servers, own, isHeld, isTrusted, board, store, clock, backoff, report },
    keep: writer.keep,
  });
  const tell = (event: BoardEvent): void => commands$.next(of(event));
  const submitting = submissions({
    ...{ store, writer, posting, own, asked, run, tell, letGoOf, attempted, clock, report },
    backoff: looking,
  });
  const command$ = merge(commands$, owned.command$, of(posting.abandoned$));
  const changes$ = jobChanges(
    { servers, session$: owned.session$, command$, stop$ },
    board,
    { tickMs: TICK_MS, clock, reconnect: socketBackoff(random), look: looking },
    report,
  );
  const states$ = changes$.pipe(
    filter((change) => change.tag === 'state'),
    map(({ state }) => state),
  );
  const previews$ = changes$.pipe(
    filter((change) => change.tag === 'preview'),
    map(({ preview }) => preview),
  );

  // A state lives for two hours after its last write, and a node may be silent for longer.
  const renewed$ = interval(RENEW_MS, clock).pipe(
    mergeMap(() => [...board.jobs.values()].map(({ state }) => state)),
    takeUntil(stop$),
  );

  // The one long-lived subscription. An error here is a bug of ours, and ends the process.
  const ended = new Promise<void>((resolve) => {
    changes$.subscribe({ next: carryOut, complete: resolve });
    renewed$.subscribe((state) => writer.put(state));
  });

  function carryOut(change: Change): void {
    switch (change.tag) {
      case 'state':
        local.tell(change.state);
        writer.put(change.state);
        break;
      case 'runAgain':
        commands$.next(posting.again(change.promptId, change.failure));
        break;
      case 'renamed':
        local.rename(change.promptId, change.as.promptId);
        asked.renamed(change.promptId, change.as.promptId);
        submitting.move(change.promptId, change.as);
        break;
      case 'released':
        local.release(change.promptId);
        break;
      case 'preview':
        break;
    }
  }

  /** A write was refused: another instance took the job over. */
  function letGoOf({ promptId, epoch }: JobState): void {
    const job = board.job(promptId);
    if (job !== undefined && job.state.epoch <= epoch) tell({ tag: 'released', promptId });
  }

  /** Runs a command to its end. After `ANSWER_MS` it goes on by itself. */
  async function run(command$: Observable<BoardEvent>): Promise<void> {
    const done = new Promise<void>((resolve) => commands$.next(command$.pipe(finalize(resolve))));
    await firstValueFrom(merge(done, timer(ANSWER_MS, clock)));
  }

  async function track(promptId: string, request: JobRequest): Promise<JobState> {
    const known = await asked.get(promptId);
    if (known !== undefined) return known;
    let silent: unknown;
    for (const server of request.server === undefined ? servers : [posting.server(request.server, request.type)]) {
      const state: JobState = {
        ...newState(promptId, server.url, request, clock.now()),
        via: 'polling',
        session: owned.own(server.url),
      };
      const job = jobOf(state, { accepted: true });
      const seen = await lastValueFrom(server.look([job]).pipe(toArray())).catch((error: unknown) => {
        silent = error;
        return [];
      });
      if (!seen.some((event) => event.tag === 'found' || event.tag === 'ended')) continue;
      await run(from<BoardEvent[]>([{ tag: 'opened', job }, ...seen]));
      return (await asked.get(promptId)) ?? job.state;
    }
    if (silent !== undefined) throw silent as Error;
    throw new UnknownJob('no server knows a job of that id');
  }

  async function cancel(id: string): Promise<JobState | undefined> {
    const promptId = asked.idOf(id);
    if (board.job(promptId) !== undefined) await run(posting.stop(promptId));
    else await askOwner(promptId);
    return asked.get(promptId);
  }

  /** Passes a cancel on to the instance that holds the job's session; waits for a successor where there is none just now. */
  async function askOwner(promptId: string): Promise<void> {
    const state = await asked.get(promptId);
    const session = state === undefined || isSettled(state) ? undefined : sessionOf(state);
    if (session === undefined) return;
    const heard$ = store.leases.ask(session, { tag: 'cancel', promptId }).pipe(
      repeat({ delay: () => timer(TICK_MS, clock) }),
      takeWhile((heard) => !heard && board.job(promptId) === undefined),
      takeUntil(timer(ANSWER_MS, clock)),
    );
    await lastValueFrom(heard$, { defaultValue: false });
    if (board.job(promptId) !== undefined) await run(posting.stop(promptId));
  }

  async function close(): Promise<void> {
    stop$.next();
    await ended;
    const drained$ = writer.drain(DRAIN_MS).pipe(reporting('closing', report), orNothing);
    const givenBack$ = owned.giveBack().pipe(timeout(DRAIN_MS), reporting('closing', report), orNothing);
    await lastValueFrom(
      concat(
        drained$,
        givenBack$,
        defer(() => (writer.close(), store.close())),
      ),
      { defaultValue: undefined },
    );
    await Promise.all(servers.map((server) => server.close()));
  }

  return {
    submit: submitting.submit,
    track,
    cancel,
    get: asked.get,
    list: asked.list,
    watch: asked.watch,
    states$,
    previews$,
    output: async (promptId, n) => {
      const state = await asked.get(promptId);
      const file = state?.outputs?.[n];
      const server = servers.find(({ url }) => url === state?.serverUrl);
      return file === undefined ? undefined : server?.view(file);
    },
    servers: () =>
      servers.map((server) => {
        const { url } = server;
        const open = board.session(owned.own(url))?.open === true;
        const queueRemaining = board.queueRemaining(url);
        return {
          url,
          healthy: posting.isHealthy(server),
          via: open ? 'websocket' : 'polling',
          ...(queueRemaining !== undefined && { queueRemaining }),
        };
      }),
    storeHealthy: () => firstValueFrom(store.healthy()),
    recovered: owned.recovered,
    close,
  };
}

/** A socket that we closed ourselves is opened at once; any other waits 0.5–30 s. */
function socketBackoff(random: () => number): Backoff {
  const backoff = jittered({ firstMs: 500, maxMs: 30_000, steadyMs: 10_000 }, random);
  return {
    ...backoff,
    delayMs: (n, error) => (error instanceof SocketClosed && error.requested ? 0 : backoff.delayMs(n)),
  };
}
