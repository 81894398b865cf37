import { randomUUID } from 'node:crypto';
import {
  EMPTY,
  concat,
  concatMap,
  defer,
  filter,
  ignoreElements,
  interval,
  map,
  mergeMap,
  of,
  takeUntil,
  tap,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { UnknownServer } from './api';
import type { JobStore } from '../sinks/job-store';
import { oncePosted, type StoredWorkflow } from '../sinks/stored-workflow.codec';
import type { ComfyUIServer } from '../sources/comfyui-server';
import { route } from './choose-server';
import type { Backoff } from '../streams/operators/backoff';
import type { Board, BoardEvent } from '../streams/board/board';
import { jobOf } from '../streams/job/job';
import { runIdOf, type Failure, type JobState } from '../streams/job/job-state';
import { reconnecting } from '../streams/operators/reconnecting';
import { orNothing, reporting, type Report } from '../streams/operators/reporting';
import { graphOfPrompt, type Prompt } from '../streams/job/workflow';

/** A server that has not answered for so long stays away, as far as its jobs that may run elsewhere go. */
const AWAY_MS = 60_000;
/** How often is seen whether a server is back, or a cancelled job has ended. Costs no request. */
const TICK_MS = 250;

export interface RunParts {
  readonly servers: readonly ComfyUIServer[];
  /** The client id under which jobs are posted to a server. */
  readonly own: (serverUrl: string) => string;
  /** Whether a session is held here, and whether no other instance can hold it now. */
  readonly isHeld: (clientId: string) => boolean;
  readonly isTrusted: (clientId: string) => boolean;
  readonly board: Board;
  readonly store: JobStore;
  /** Keeps a workflow before the job's next state is stored. */
  readonly keep: (promptId: string, kept: StoredWorkflow) => void;
  readonly clock: SchedulerLike;
  readonly backoff: Backoff;
  readonly report: Report;
}

/** Posting jobs to servers, once or again, and stopping them. */
export interface Runs {
  /** The server asked for, else the one to be preferred for this type. Throws `UnknownServer`. */
  readonly server: (url: string | undefined, type: string) => ComfyUIServer;
  readonly isHealthy: (server: ComfyUIServer) => boolean;
  /** Posts a new job; `stored` where the store has it, so that others may take it up. */
  readonly first: (state: JobState, prompt: Prompt, stored: boolean) => Observable<BoardEvent>;
  /** Sees to it that a job is posted which was taken up from an instance that may have done so, or not. */
  readonly resumed: (state: JobState, prompt: Prompt) => Observable<BoardEvent>;
  /** Posts a job's next run: after a while, on a server that answers, with its memory freed if that was short. */
  readonly again: (promptId: string, failure: Failure) => Observable<BoardEvent>;
  /** Stops a job: asks until the server was asked, or the job has ended. One that was not accepted yet is not posted. */
  readonly stop: (promptId: string) => Observable<BoardEvent>;
  /** The jobs of servers that stay away, where another that answers may run them. */
  readonly abandoned$: Observable<BoardEvent>;
}

/** One run of a job, to be posted. */
interface Run {
  readonly runId: string;
  readonly clientId: string;
  readonly prompt: Prompt;
  /** Whether others may know of it, by the store. */
  readonly stored: boolean;
  readonly maybePosted: boolean;
}

export function runs(parts: RunParts): Runs {
  const { servers, own, isHeld, isTrusted, board, store, keep, clock, backoff, report } = parts;
  const awaySince = new Map<string, number>();

  /** Heard through an open socket, or by an answer since the socket was lost. */
  function isHealthy({ url, answeredAt }: ComfyUIServer): boolean {
    const { open = false, unlinkedAt = 0 } = board.session(own(url)) ?? {};
    return open || (answeredAt() > 0 && answeredAt() >= unlinkedAt);
  }
  const serverOf = (url: string): ComfyUIServer | undefined => servers.find((server) => server.url === url);

  /** Of these servers, the one to be preferred for this type. */
  function preferred(some: readonly ComfyUIServer[], type: string): ComfyUIServer | undefined {
    const busy = [...board.jobs.values()].map(({ state }) => state.serverUrl);
    const queueOf = (at: string): number =>
      Math.max(board.queueRemaining(at) ?? 0, busy.filter((each) => each === at).length);
    return route(
      some.map((each) => ({ ...each, healthy: isHealthy(each), queue: queueOf(each.url) })),
      type,
    );
  }

  function server(url: string | undefined, type: string): ComfyUIServer {
    const found = url === undefined ? preferred(servers, type) : serverOf(url.replace(/\/+$/, ''));
    if (found !== undefined) return found;
    throw new UnknownServer(
      url === undefined ? `no server takes jobs of the type ${type}` : 'that server is none of this pipeline’s',
    );
  }

  /** Posts one run of a job, and stops it right away if that was asked for meanwhile. */
  function posted(at: ComfyUIServer, { runId, clientId, prompt, stored, maybePosted }: Run): Observable<BoardEvent> {
    let id = runId;
    const job = (): ReturnType<Board['run']> => board.run(id);
    const heard = (event: BoardEvent): void => {
      if (event.tag === 'adopted') id = event.as;
    };
    /** A run whose frames came before its answer needs no other post. */
    const isWanted = (): boolean => isHeld(clientId) && job()?.accepted === false && job()?.runAgain === undefined;
    return concat(
      at
        .submit({
          promptId: runId,
          clientId,
          prompt,
          linked: () => board.session(clientId)?.open === true,
          cancelAsked: () => job()?.cancelAsked === true,
          wanted: isWanted,
          // What nobody else knows of, nobody else posts.
          mayPost: () => !stored || isTrusted(clientId),
          maybePosted,
        })
        .pipe(tap(heard)),
      defer(() => {
        const { state, accepted, cancelAsked } = job() ?? {};
        if (state === undefined) return EMPTY;
        // Taken over while it was on its way here from the store.
        if (!isHeld(clientId)) return of<BoardEvent>({ tag: 'released', promptId: state.promptId });
        // From here on, who takes the job up has no need to post it.
        if (accepted === true) keep(state.promptId, oncePosted(prompt, state.retry !== undefined));
        return cancelAsked === true ? stop(state.promptId) : EMPTY;
      }),
    );
  }

  const opened = (state: JobState, prompt: Prompt, how: Pick<Run, 'stored' | 'maybePosted'>) =>
    concat(
      of<BoardEvent>({ tag: 'opened', job: jobOf(state, { graph: graphOfPrompt(prompt), untold: !how.maybePosted }) }),
      defer(() => {
        const run = { runId: runIdOf(state), clientId: state.clientId ?? '', prompt, ...how };
        return posted(server(state.serverUrl, state.type), run);
      }),
    );
  const first: Runs['first'] = (state, prompt, stored) => opened(state, prompt, { stored, maybePosted: false });
  const resumed: Runs['resumed'] = (state, prompt) => opened(state, prompt, { stored: true, maybePosted: true });

  const again: Runs['again'] = (promptId, failure) => {
    const next = (prompt: Prompt | undefined): Observable<BoardEvent> => {
      const job = board.job(promptId);
      if (job === undefined) return EMPTY;
      if (prompt === undefined) return of({ tag: 'refused', promptId, at: clock.now(), failure });
      const { serverUrl, type } = job.state;
      const before = serverOf(serverUrl);
      // The server asked for may be one that is not for this type.
      const at = before !== undefined && isHealthy(before) ? before : (preferred(servers, type) ?? before);
      if (at === undefined) return of({ tag: 'refused', promptId, at: clock.now(), failure });
      const runId = randomUUID();
      const clientId = own(at.url);
      const posting: BoardEvent = { tag: 'posting', promptId, runId, clientId, serverUrl: at.url, at: clock.now() };
      const freed$ = failure.kind === 'out_of_memory' ? at.free().pipe(reporting('free', report), orNothing) : EMPTY;
      // Stored before it is posted: whoever takes the job up after a crash looks for this run, and makes no other.
      const stored$ = defer(() => {
        const run = board.run(runId);
        if (run === undefined) return EMPTY;
        return store.put(run.state, { tag: 'unposted', prompt }).pipe(ignoreElements());
      }).pipe(reporting('store', report), orNothing);
      const run = { runId, clientId, prompt, stored: true, maybePosted: false };
      return concat(freed$, of(posting), stored$, posted(at, run));
    };
    const kept$ = store.workflow(promptId).pipe(
      reporting('store', report),
      reconnecting(backoff, clock),
      map((kept) => (kept?.tag === 'outline' ? undefined : kept?.prompt)),
    );
    return timer(rerunMs(board.job(promptId)?.state.attempt), clock).pipe(
      concatMap(() => kept$),
      concatMap(next),
    );
  };

  const stop: Runs['stop'] = (promptId) => {
    const asking$ = defer(() => {
      const job = board.job(promptId);
      return job?.accepted === true ? (serverOf(job.state.serverUrl)?.cancel(runIdOf(job.state)) ?? EMPTY) : EMPTY;
    });
    return concat(
      defer(() => of<BoardEvent>({ tag: 'cancelAsked', promptId, at: clock.now() })),
      asking$.pipe(
        reporting('cancel', report),
        reconnecting(backoff, clock),
        takeUntil(interval(TICK_MS, clock).pipe(filter(() => board.job(promptId) === undefined))),
      ),
    );
  };

  const away = (): readonly string[] => {
    const now = clock.now();
    for (const each of servers) {
      if (isHealthy(each)) awaySince.delete(each.url);
      else if (!awaySince.has(each.url)) awaySince.set(each.url, now);
    }
    return [...awaySince].filter(([, since]) => now - since >= AWAY_MS).map(([url]) => url);
  };
  /** While no other server answers, nothing is known of these jobs, and nothing gained by giving them up (R4). */
  const mayMove = ({ serverUrl, type }: JobState): boolean =>
    preferred(
      servers.filter((each) => each.url !== serverUrl && isHealthy(each)),
      type,
    ) !== undefined;
  const abandoned$ = interval(TICK_MS, clock).pipe(
    map(away),
    filter((urls) => urls.length > 0),
    mergeMap((urls) =>
      [...board.jobs.values()].filter(
        ({ state, runAgain }) => urls.includes(state.serverUrl) && runAgain === undefined && mayMove(state),
      ),
    ),
    map(({ state: { promptId } }): BoardEvent => ({ tag: 'abandoned', promptId, at: clock.now() })),
  );

  return { server, isHealthy, first, resumed, again, stop, abandoned$ };
}

/** The second run comes after 1 s, the next ones after 2, 4, 8, 16. */
const rerunMs = (attempt = 2): number => 1_000 * 2 ** Math.min(4, Math.max(0, attempt - 2));
