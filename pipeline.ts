import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import {
  EMPTY,
  ReplaySubject,
  Subject,
  asyncScheduler,
  catchError,
  concat,
  defaultIfEmpty,
  defer,
  filter,
  firstValueFrom,
  from,
  interval,
  lastValueFrom,
  map,
  merge,
  of,
  takeUntil,
  tap,
  timer,
  toArray,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { matches, pageOf, type JobPage } from './sinks/job-page';
import type { JobFilter, JobStore } from './sinks/job-store';
import { writeBehind } from './sinks/write-behind';
import { cancel } from './sources/cancel';
import { lookAt, lookup, type Lookup } from './sources/look';
import { NoAnswer, rest, type Rest } from './sources/rest';
import { serverAddress, type ServerAddress } from './sources/server-address';
import { SocketClosed, defaultSocketTiming, webSocketSession, type SocketTiming } from './sources/session';
import { defaultSubmitPolicy, submit } from './sources/submit';
import { jittered, type Backoff } from './streams/backoff';
import { jobBoard, type BoardEvent, type Preview } from './streams/board';
import { jobOf, queuedState, type Job } from './streams/job';
import { jobChanges, type Session } from './streams/job-changes';
import { isSettled, type JobState, type JobType } from './streams/job-state';
import { neverBackward } from './streams/never-backward';
import { reconnecting } from './streams/reconnecting';
import type { Report } from './streams/reporting';
import { defaultTiming, type Timing } from './streams/timing';
import { watchers } from './streams/watchers';
import { graphOf, type Workflow } from './streams/workflow';

export type { Preview, Workflow };
export { NoAnswer };

export interface JobRequest {
  readonly type: JobType;
  readonly userId: string;
  readonly characterId?: string;
  /** Kept with the job, untouched. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Which of the servers, by URL; the first where absent. */
  readonly server?: string;
}

export interface SubmitRequest extends JobRequest {
  readonly workflow: Workflow;
}

export interface ServerStatus {
  readonly url: string;
  /** Whether the server answered last time it was asked or heard. */
  readonly healthy: boolean;
  /** How its jobs are being watched now. */
  readonly via: 'websocket' | 'polling';
  readonly queueRemaining?: number;
}

export interface ListQuery extends JobFilter {
  /** 50 where absent, 500 at most. */
  readonly limit?: number;
  /** From the page before. */
  readonly cursor?: string;
}


/** A job's output file on its way from ComfyUI. */
export interface OutputBody {
  readonly body: Readable;
  readonly contentType: string;
  /** Bytes, where ComfyUI says. */
  readonly length?: number;
}

/** One running instance: watches ComfyUI, keeps states, answers for jobs. */
export interface Pipeline {
  /**
   * Runs a workflow. Resolves with the job once ComfyUI accepted or refused it (`failed`, kind `rejected`, with
   * `nodeErrors`), or still `queued` after 10 s without an answer, when submitting goes on by itself.
   * Rejects with `UnknownServer` where `server` is none of ours.
   */
  submit(request: SubmitRequest): Promise<JobState>;
  /** Watches a job that somebody else posted. Rejects with `UnknownJob` if no server knows it, `NoAnswer` if none could say. */
  track(promptId: string, request: JobRequest): Promise<JobState>;
  /** Stops this job and no other. Resolves with its state right after asking, or `undefined` for an unknown job; a settled job stays as it is. */
  cancel(promptId: string): Promise<JobState | undefined>;
  /** The present state, or `undefined`. */
  get(promptId: string): Promise<JobState | undefined>;
  list(query?: ListQuery): Promise<JobPage>;
  /** The present state, then each change, never backward; completes when the job settles. Errors with `UnknownJob`. */
  watch(promptId: string): Observable<JobState>;
  /** Every change of every job of this instance. */
  readonly states$: Observable<JobState>;
  /** Previews of this instance's running jobs; lossy. */
  readonly previews$: Observable<Preview>;
  /** Opens the nth output of a job, or resolves `undefined` if there is no such job or output. Rejects with `NoAnswer`. */
  output(promptId: string, n: number): Promise<OutputBody | undefined>;
  servers(): readonly ServerStatus[];
  /** Whether states can be stored right now. */
  storeHealthy(): Promise<boolean>;
  /** The jobs taken up again at the start. */
  readonly recovered: Promise<readonly JobState[]>;
  /** Stops watching, writes what is unwritten, closes sockets with the handshake. */
  close(): Promise<void>;
}

/** No job of that id, or none that may be seen. */
export class UnknownJob extends Error {
  override readonly name = 'UnknownJob';
}
/** The server asked for is none of this pipeline's. */
export class UnknownServer extends Error {
  override readonly name = 'UnknownServer';
}

export interface PipelineOptions {
  /** ComfyUI's URLs, credentials allowed; or with headers of your own. */
  readonly servers: readonly (string | { readonly url: string; readonly headers?: Readonly<Record<string, string>> })[];
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
const TICK_MS = 250;
const IDLE_MS = 30_000;
const DRAIN_MS = 5_000;
const PAGE = 50;
const MAX_PAGE = 500;

interface ServerParts {
  readonly address: ServerAddress;
  readonly rest: Rest;
  readonly lookup: Lookup;
  readonly look: (jobs: readonly Job[]) => Observable<BoardEvent>;
  /** The session under which this instance posts. */
  readonly session: Session;
}

/** Starts watching: opens a socket to each server and takes up every unsettled job of the store. */
export function createPipeline({
  servers: addresses,
  store,
  report = () => undefined,
  clock = asyncScheduler,
  random = Math.random,
  timing: timingOptions,
  socketTiming,
}: PipelineOptions): Pipeline {
  const timing = { ...defaultTiming, ...timingOptions };
  const retrying = jittered({ firstMs: 1_000, maxMs: 16_000, steadyMs: 60_000 }, random);
  const stop$ = new ReplaySubject<void>(1);
  const commands$ = new Subject<Observable<BoardEvent>>();
  const sessions$ = new Subject<Session>();
  const board = jobBoard(timing);
  const local = watchers();
  const writer = writeBehind(store, { clock, random, report });

  const sessionTo = (address: ServerAddress, clientId: string): Session =>
    webSocketSession({ address, clientId, clock, report, timing: { ...defaultSocketTiming, ...socketTiming } });

  const servers = addresses.map((given): ServerParts => {
    const address = serverAddress(given);
    const client = rest(address);
    const routes = lookup(client.get);
    return { address, rest: client, lookup: routes, look: lookAt(routes, clock), session: sessionTo(address, randomUUID()) };
  });
  const [first] = servers;
  if (first === undefined) throw new TypeError('a pipeline needs at least one server');
  const serverOf = (url: string): ServerParts | undefined => servers.find(({ address }) => address.url === url);
  const chosen = (url: string | undefined): ServerParts => {
    const server = url === undefined ? first : serverOf(url.replace(/\/+$/, ''));
    if (server === undefined) throw new UnknownServer('that server is none of this pipeline’s');
    return server;
  };

  const changes$ = jobChanges(
    {
      servers: servers.map(({ address, look }) => ({ url: address.url, look })),
      session$: merge(from(servers.map(({ session }) => session)), sessions$),
      command$: commands$,
      stop$,
    },
    board,
    { tickMs: TICK_MS, clock, reconnect: socketBackoff(random), look: jittered({ firstMs: 1_000, maxMs: 15_000, steadyMs: 20_000 }, random) },
    report,
  );
  const states$ = changes$.pipe(
    filter((change) => change.tag === 'state'),
    map(({ state }) => state),
  );

  // The one long-lived subscription. An error here is a bug of ours, and nobody catches it.
  const ended = new Promise<void>((resolve) => {
    states$.subscribe({
      next: (state) => {
        local.tell(state);
        writer.put(state);
      },
      complete: resolve,
    });
  });

  const recovered = lastValueFrom(recover());

  /** Every unsettled job of the store, under its own client id and a new epoch. */
  function recover(): Observable<readonly JobState[]> {
    return store.list().pipe(
      filter((state) => !isSettled(state)),
      toArray(),
      tap({ error: (error: unknown) => report('recovery', error) }),
      reconnecting(retrying, clock),
      takeUntil(stop$),
      map((states) => states.filter((state) => serverOf(state.serverUrl) !== undefined && board.job(state.promptId) === undefined)),
      tap((states) => {
        for (const [clientId, serverUrl] of new Map(states.flatMap((s) => (s.clientId === undefined ? [] : [[s.clientId, s.serverUrl]])))) {
          const server = serverOf(serverUrl);
          if (server !== undefined) sessions$.next(untilIdle(sessionTo(server.address, clientId)));
        }
        const now = clock.now();
        const jobs = states.map((state) => jobOf({ ...state, epoch: Math.max(state.epoch + 1, now), updatedAt: now }, { accepted: true }));
        commands$.next(from(jobs.map((job): BoardEvent => ({ tag: 'opened', job }))));
      }),
      defaultIfEmpty([]),
    );
  }

  /** A session taken up for the sake of its jobs, given back once they are all settled. */
  function untilIdle(session: Session): Session {
    const idle$ = interval(IDLE_MS, clock).pipe(filter(() => ![...board.jobs.values()].some((job) => job.state.clientId === session.clientId)));
    return { ...session, connect: (reopen$, stop$) => session.connect(reopen$, merge(stop$, idle$)) };
  }

  /** Runs a command to its end, or to what the board says after `ANSWER_MS`, when it goes on by itself. */
  async function run(command$: Observable<BoardEvent>): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      commands$.next(
        command$.pipe(
          tap({ complete: resolve }),
          catchError((error: unknown) => {
            reject(error as Error);
            return EMPTY;
          }),
        ),
      );
    });
    await Promise.race([done, firstValueFrom(timer(ANSWER_MS, clock))]);
  }

  const newState = (promptId: string, { type, userId, characterId, metadata }: JobRequest, server: ServerParts): JobState =>
    queuedState({
      promptId,
      type,
      userId,
      ...(characterId !== undefined && { characterId }),
      ...(metadata !== undefined && { metadata }),
      serverUrl: server.address.url,
      at: clock.now(),
    });

  const cancelling = (promptId: string): Observable<never> =>
    defer(() => {
      const job = board.job(promptId);
      const server = job === undefined ? undefined : serverOf(job.state.serverUrl);
      return server === undefined ? EMPTY : cancel(server.rest, promptId);
    }).pipe(
      tap({ error: (error: unknown) => report('cancel', error) }),
      reconnecting(retrying, clock),
      takeUntil(interval(TICK_MS, clock).pipe(filter(() => board.job(promptId) === undefined))),
    );

  const get = (promptId: string): Observable<JobState | undefined> =>
    defer(() => {
      const live = board.job(promptId);
      return live === undefined ? writer.get(promptId) : of(live.state);
    });

  async function submitOne(request: SubmitRequest): Promise<JobState> {
    const server = chosen(request.server);
    const { clientId } = server.session;
    let promptId: string = randomUUID();
    const state: JobState = { ...newState(promptId, request, server), clientId };
    // Stored before it is posted, so that no crash can lose it. A store that is down is no reason not to run (R12).
    await lastValueFrom(store.put(state).pipe(catchError((error: unknown) => (report('store', error), EMPTY))), { defaultValue: undefined });
    const submission = {
      promptId,
      clientId,
      workflow: request.workflow,
      linked: () => board.session(clientId)?.open === true,
      cancelAsked: () => board.job(promptId)?.cancelAsked === true,
    };
    const posted$ = submit(server, submission, { ...defaultSubmitPolicy, backoff: retrying, clock }, report).pipe(
      tap((event) => {
        if (event.tag !== 'adopted') return;
        promptId = event.as;
        writer.forget(event.promptId);
      }),
    );
    await run(concat(of<BoardEvent>({ tag: 'opened', job: jobOf(state, { graph: graphOf(request.workflow) }) }), posted$, defer(() => (submission.cancelAsked() ? cancelling(promptId) : EMPTY))));
    return (await firstValueFrom(get(promptId))) ?? state;
  }

  async function trackOne(promptId: string, request: JobRequest): Promise<JobState> {
    const known = await firstValueFrom(get(promptId));
    if (known !== undefined) return known;
    const candidates = request.server === undefined ? servers : [chosen(request.server)];
    let silent: unknown;
    for (const server of candidates) {
      const job = jobOf({ ...newState(promptId, request, server), via: 'polling' }, { accepted: true });
      const seen = await lastValueFrom(server.look([job]).pipe(toArray())).catch((error: unknown) => {
        silent = error;
        return [];
      });
      if (!seen.some((event) => event.tag === 'found' || event.tag === 'ended')) continue;
      await run(from<BoardEvent[]>([{ tag: 'opened', job }, ...seen]));
      return (await firstValueFrom(get(promptId))) ?? job.state;
    }
    if (silent !== undefined) throw silent;
    throw new UnknownJob('no server knows a job of that id');
  }

  async function cancelOne(promptId: string): Promise<JobState | undefined> {
    const job = board.job(promptId);
    if (job !== undefined) {
      const asked: BoardEvent = { tag: 'cancelAsked', promptId, at: clock.now() };
      await run(concat(of(asked), job.accepted ? cancelling(promptId) : EMPTY));
    }
    return firstValueFrom(get(promptId));
  }

  async function list({ limit = PAGE, cursor, ...wanted }: ListQuery = {}): Promise<JobPage> {
    const stored$ = store.list(wanted).pipe(catchError((error: unknown) => (report('store', error), EMPTY)));
    const states = new Map((await lastValueFrom(stored$.pipe(toArray()))).map((state) => [state.promptId, state]));
    for (const { state } of board.jobs.values()) if (matches(state, wanted)) states.set(state.promptId, state);
    return pageOf([...states.values()].filter((state) => matches(state, wanted)), Math.min(limit, MAX_PAGE), cursor);
  }

  const watch = (promptId: string): Observable<JobState> =>
    defer(() => {
      const live = board.job(promptId);
      if (live !== undefined) return merge(local.changes(promptId), of(live.state));
      const present$ = writer.get(promptId).pipe(
        map((state) => {
          if (state === undefined) throw new UnknownJob('no such job');
          return state;
        }),
      );
      return merge(local.changes(promptId), store.changes(promptId), present$);
    }).pipe(neverBackward());

  async function output(promptId: string, n: number): Promise<OutputBody | undefined> {
    const state = await firstValueFrom(get(promptId));
    const file = state?.outputs?.[n];
    const server = state === undefined ? undefined : serverOf(state.serverUrl);
    if (file === undefined || server === undefined) return undefined;
    const { filename, subfolder, type } = file;
    const { statusCode, headers, body } = await server.rest.open(`/view?${new URLSearchParams({ filename, subfolder, type }).toString()}`);
    if (statusCode === 200) {
      const length = Number(headers['content-length']);
      return { body, contentType: String(headers['content-type'] ?? 'application/octet-stream'), ...(length > 0 && { length }) };
    }
    await body.dump();
    if (statusCode === 404) return undefined;
    throw new NoAnswer(`/view: status ${statusCode}`, true);
  }

  async function close(): Promise<void> {
    stop$.next();
    await ended;
    await lastValueFrom(concat(writer.drain(DRAIN_MS), store.close()), { defaultValue: undefined });
    await Promise.all(servers.map((server) => server.rest.close()));
  }

  return {
    submit: submitOne,
    track: trackOne,
    cancel: cancelOne,
    get: (promptId) => firstValueFrom(get(promptId)),
    list,
    watch,
    states$,
    previews$: changes$.pipe(
      filter((change) => change.tag === 'preview'),
      map(({ preview }) => preview),
    ),
    output,
    servers: () =>
      servers.map(({ address: { url }, rest: { answering }, session: { clientId } }) => {
        const open = board.session(clientId)?.open === true;
        const queueRemaining = board.queueRemaining(url);
        return { url, healthy: open || answering(), via: open ? 'websocket' : 'polling', ...(queueRemaining !== undefined && { queueRemaining }) };
      }),
    storeHealthy: () => firstValueFrom(store.healthy()),
    recovered,
    close,
  };
}

/** A socket that we closed ourselves is opened at once; any other waits 0.5–30 s. */
function socketBackoff(random: () => number): Backoff {
  const backoff = jittered({ firstMs: 500, maxMs: 30_000, steadyMs: 10_000 }, random);
  return { ...backoff, delayMs: (n, error) => (error instanceof SocketClosed && error.requested ? 0 : backoff.delayMs(n)) };
}
