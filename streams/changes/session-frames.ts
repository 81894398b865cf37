import {
  EMPTY,
  ReplaySubject,
  catchError,
  concat,
  concatMap,
  filter,
  interval,
  map,
  merge,
  of,
  pairwise,
  share,
  startWith,
  take,
  takeUntil,
  throwError,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import type { Board, BoardEvent } from '../board/board';
import type { Backoff } from '../operators/backoff';
import { Overslept, errorAfterSleep } from '../operators/error-after-sleep';
import { reconnecting } from '../operators/reconnecting';
import { reporting, type Report } from '../operators/reporting';

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

export interface SocketPolicy {
  readonly tickMs: number;
  readonly reconnect: Backoff;
  readonly clock: SchedulerLike;
  /** Whether an error is the outside's, and is tried again; any other is passed on. */
  readonly isTransient: (error: unknown) => boolean;
}

/** What a session's sockets depend on besides the session itself. */
export interface Surroundings {
  readonly board: Board;
  /** Whether the session's server answered the last request. */
  readonly isAnswering: () => boolean;
  readonly stop$: Observable<unknown>;
}

/** What a session's sockets bring, one after the other; last that it is over. */
export function sessionFrames(
  session: Session,
  around: Surroundings,
  policy: SocketPolicy,
  report: Report,
): Observable<BoardEvent> {
  const { clientId, serverUrl, inherited, mayOpen, connect } = session;
  const { tickMs, reconnect, clock, isTransient } = policy;
  const { mayOpen$, mustReopen$, answersAgain$, over$, closed$ } = momentsOf(session, around, policy);
  const inherited$ = of<BoardEvent>({ tag: 'inherited', clientId, at: clock.now() }).pipe(filter(() => inherited));
  // Woken up after its lease has run out, the socket brings what it was told while another may have gone on with the jobs.
  const cutOff = (error: unknown): Observable<BoardEvent> => {
    const cut: BoardEvent = { tag: 'unlinked', clientId, at: clock.now(), clean: false };
    return concat(
      error instanceof Overslept ? of(cut) : EMPTY,
      throwError(() => error),
    );
  };
  const socket$ = mayOpen$.pipe(
    concatMap(() =>
      connect(mustReopen$, over$).pipe(
        errorAfterSleep(() => !mayOpen(), tickMs, clock),
        catchError(cutOff),
        filter((event) => isFromItsServer(event, serverUrl, around.board)),
      ),
    ),
  );
  const retried = { backoff: reconnect, clock, isTransient, wake$: answersAgain$ };
  return concat(
    concat(inherited$, socket$.pipe(reporting('socket', report), reconnecting(retried))).pipe(takeUntil(closed$)),
    of<BoardEvent>({ tag: 'sessionOver', clientId }),
  );
}

/** When something is to be done to a session's sockets. Whoever listens shares one tick, by which the clock and the board are asked. */
interface Moments {
  /** At once, or with the first tick at which no other instance may hold the session: a socket is opened. Not once it is over. */
  readonly mayOpen$: Observable<unknown>;
  /** The socket is deaf. */
  readonly mustReopen$: Observable<unknown>;
  /** A server that answers again after an outage is there for sockets too: no use in waiting on. */
  readonly answersAgain$: Observable<unknown>;
  /** The session is another's, or all is to be closed. Who asks later hears of it too, as long as somebody listened. */
  readonly over$: Observable<unknown>;
  /** It is over, and no socket is open that would have to be closed. */
  readonly closed$: Observable<unknown>;
}

function momentsOf(session: Session, { board, isAnswering, stop$ }: Surroundings, policy: SocketPolicy): Moments {
  const { clientId, mayOpen, end$ } = session;
  const { tickMs, clock } = policy;
  const tick$ = interval(tickMs, clock).pipe(share());
  const over$ = merge(stop$, end$).pipe(
    share({ connector: () => new ReplaySubject(1), resetOnComplete: false, resetOnError: false }),
  );
  const unlessOver = <T>(source$: Observable<T>): Observable<T> => source$.pipe(takeUntil(over$));
  return {
    mayOpen$: tick$.pipe(startWith(0), filter(mayOpen), take(1), unlessOver),
    mustReopen$: tick$.pipe(filter(() => mayOpen() && board.reopenIfDeaf(clientId, clock.now()))),
    answersAgain$: tick$.pipe(
      map(isAnswering),
      pairwise(),
      filter(([before, now]) => !before && now),
    ),
    over$,
    closed$: over$.pipe(filter(() => board.session(clientId)?.open !== true)),
  };
}

/** R5: a server tells of its own jobs and of nobody else's, whatever ids it names. */
function isFromItsServer(event: BoardEvent, serverUrl: string, board: Board): boolean {
  const job = 'promptId' in event ? board.run(event.promptId ?? '') : undefined;
  return job === undefined || job.state.serverUrl === serverUrl;
}
