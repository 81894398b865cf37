import {
  EMPTY,
  catchError,
  concat,
  concatMap,
  defer,
  exhaustMap,
  filter,
  interval,
  from,
  map,
  merge,
  mergeMap,
  observeOn,
  of,
  pairwise,
  queueScheduler,
  share,
  startWith,
  take,
  takeUntil,
  tap,
  throwError,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import type { Backoff } from '../operators/backoff';
import type { Board, BoardEvent, Change } from '../board/board';
import type { Job } from '../job/job';
import { reconnecting } from '../operators/reconnecting';
import { reporting, type Report } from '../operators/reporting';
import { Overslept, errorAfterSleep } from '../operators/error-after-sleep';

/** One socket to one server under one client id. */
export interface Session {
  readonly clientId: string;
  readonly serverUrl: string;
  /** Another instance, or an earlier run, opened a socket under this client id: ComfyUI may still have it, and its end evicts ours. */
  readonly inherited: boolean;
  /** Whether a socket may be opened now: not while another instance may hold the session. */
  readonly mayOpen: () => boolean;
  /** Emits once when another instance has the session, or it was given back. */
  readonly end$: Observable<unknown>;
  /** One socket. Errors whenever it closes; `reopen$` closes it with the handshake; completes, closed likewise, once `stop$` emits. */
  readonly connect: (reopen$: Observable<unknown>, stop$: Observable<unknown>) => Observable<BoardEvent>;
}

/** One server's REST side. */
export interface Server {
  readonly url: string;
  /** When it answered the last request; 0 where it did not, or was not asked yet. */
  readonly answeredAt: () => number;
  /** One look at the jobs given, in as few requests as the server allows. Completes; errors if there was no usable answer. */
  readonly lookUp: (jobs: readonly Job[]) => Observable<BoardEvent>;
}

export interface Sources {
  readonly servers: readonly Server[];
  /** Sessions as they are taken up. */
  readonly session$: Observable<Session>;
  /** What we do to jobs ourselves: each command is submitted, tracked, cancelled, … as it comes. */
  readonly command$: Observable<Observable<BoardEvent>>;
  /** Emits once when everything is to be closed; late subscribers see it too. */
  readonly stop$: Observable<unknown>;
}

export interface Policy {
  readonly tickMs: number;
  readonly reconnect: Backoff;
  readonly look: Backoff;
  readonly clock: SchedulerLike;
  /** Whether an error is the outside's, and is tried again; any other ends the page. */
  readonly isTransient: (error: unknown) => boolean;
}

/** How often the progress of running jobs goes on by the clock, ms. */
const BAR_MS = 1_000;

/** Every change of any job, from frames and looks and commands together. Completes once `stop$` emitted and all sockets are closed. */
export function jobChanges(sources: Sources, board: Board, policy: Policy, report: Report): Observable<Change> {
  const { servers, session$, command$, stop$ } = sources;
  return merge(
    // Unbounded on purpose: a command that waits for a server must not keep the others waiting.
    command$.pipe(
      mergeMap((command$) => command$),
      takeUntil(stop$),
    ),
    // No new session after the stop, while those that are open close by themselves.
    session$.pipe(
      // eslint-disable-next-line rxjs-x/no-unsafe-takeuntil
      takeUntil(stop$),
      mergeMap((session) => frames(session, sources, board, policy, report)),
    ),
    ...servers.map((server) => looks(server, board, policy, report).pipe(takeUntil(stop$))),
    interval(BAR_MS, policy.clock).pipe(
      map((): BoardEvent => ({ tag: 'clock', at: policy.clock.now() })),
      takeUntil(stop$),
    ),
  ).pipe(
    // A call that is made while a change is being told waits for its turn: nobody is told the later change first.
    observeOn(queueScheduler),
    mergeMap((event) => board.take(event)),
    share(),
  );
}

/** What a session's sockets bring, one after the other. */
function frames(
  session: Session,
  { servers, stop$ }: Sources,
  board: Board,
  policy: Policy,
  report: Report,
): Observable<BoardEvent> {
  const { clientId, serverUrl, inherited, mayOpen, connect } = session;
  const { tickMs, reconnect, clock, isTransient } = policy;
  const tick$ = interval(tickMs, clock);
  let over = false;
  const end$ = merge(stop$, session.end$).pipe(
    tap(() => {
      over = true;
    }),
  );
  const deaf$ = tick$.pipe(filter(() => mayOpen() && board.reopenIfDeaf(clientId, clock.now())));
  const closed$ = end$.pipe(filter(() => board.session(clientId)?.open !== true));
  // A server that answers again after an outage is there for sockets too: no use in waiting on.
  const back$ = tick$.pipe(
    map(() => servers.some((server) => server.url === serverUrl && server.answeredAt() > 0)),
    pairwise(),
    filter(([before, now]) => !before && now),
  );
  const allowed$ = tick$.pipe(startWith(0), filter(mayOpen), take(1));
  const inherited$ = of<BoardEvent>({ tag: 'inherited', clientId, at: clock.now() }).pipe(filter(() => inherited));
  // Woken up after its lease has run out, the socket brings what it was told while another may have gone on with the jobs.
  const cutOff = (error: unknown): Observable<BoardEvent> => {
    const cut: BoardEvent = { tag: 'unlinked', clientId, at: clock.now(), clean: false };
    return concat(
      error instanceof Overslept ? of(cut) : EMPTY,
      throwError(() => error),
    );
  };
  const socket$ = defer(() => (over ? EMPTY : allowed$)).pipe(
    concatMap(() =>
      connect(deaf$, end$).pipe(
        errorAfterSleep(() => !mayOpen(), tickMs, clock),
        catchError(cutOff),
        filter((event) => isFromItsServer(event, serverUrl, board)),
      ),
    ),
  );
  const retried = { backoff: reconnect, clock, isTransient, wake$: back$ };
  const over$ = of<BoardEvent>({ tag: 'sessionOver', clientId });
  return concat(
    concat(inherited$, socket$.pipe(reporting('socket', report), reconnecting(retried))).pipe(takeUntil(closed$)),
    over$,
  );
}

/** What looks at a server bring: one at a time, at the jobs that are due, more slowly while it does not answer. */
function looks(server: Server, board: Board, policy: Policy, report: Report): Observable<BoardEvent> {
  const { tickMs, look, clock, isTransient } = policy;
  return interval(tickMs, clock).pipe(
    exhaustMap(() => {
      const jobs = board.due(server.url, clock.now());
      return jobs.length === 0 ? EMPTY : lookAlone(server, jobs, policy);
    }),
    reporting('look', report),
    reconnecting({ backoff: look, clock, isTransient }),
  );
}

/** R15: where a mistake of ours breaks a look, each job is looked at by itself, and the one that breaks it fails. */
function lookAlone(server: Server, jobs: readonly Job[], { clock, isTransient }: Policy): Observable<BoardEvent> {
  const alone = (job: Job): Observable<BoardEvent> =>
    defer(() => server.lookUp([job])).pipe(
      catchError((error: unknown) => {
        if (isTransient(error)) throw error;
        return of<BoardEvent>({ tag: 'brokeHere', state: job.state, error, at: clock.now() });
      }),
    );
  return defer(() => server.lookUp(jobs)).pipe(
    catchError((error: unknown) => {
      if (isTransient(error)) throw error;
      return from(jobs).pipe(concatMap(alone));
    }),
  );
}

/** R5: a server tells of its own jobs and of nobody else's, whatever ids it names. */
function isFromItsServer(event: BoardEvent, serverUrl: string, board: Board): boolean {
  const job = 'promptId' in event ? board.run(event.promptId ?? '') : undefined;
  return job === undefined || job.state.serverUrl === serverUrl;
}
