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

/** The sockets to one server under one client id, one after the other. */
export interface SessionSockets {
  readonly clientId: string;
  readonly serverUrl: string;
  /**
   * Opens one socket, and emits its frames as events. Errors when the socket closes; `reopen$` closes it, and `stop$`
   * closes it and completes, both with the handshake.
   */
  readonly connect: (reopen$: Observable<unknown>, stop$: Observable<unknown>) => Observable<BoardEvent>;
}

/** A session that is held here. */
export interface Session extends SessionSockets {
  /**
   * Whether another instance, or an earlier process, opened a socket under this client id. ComfyUI may still have that
   * one, and drops ours when it ends (R7).
   */
  readonly inherited: boolean;
  /** Whether a socket may be open now: only while it is certain that no other instance holds the session. */
  readonly mayOpen: () => boolean;
  /** Emits once when another instance took the session, or this one gave it back. */
  readonly end$: Observable<unknown>;
}

export interface SocketPolicy {
  /** How often leases, deaf sockets and due looks are checked, ms. */
  readonly tickMs: number;
  readonly reconnect: Backoff;
  readonly clock: SchedulerLike;
  /** Whether an error comes from outside, so that a retry may help; any other is passed on. */
  readonly isTransient: (error: unknown) => boolean;
}

/** What a session's sockets depend on besides the session itself. */
export interface Surroundings {
  readonly board: Board;
  /** Whether the session's server answered the last request. */
  readonly isAnswering: () => boolean;
  readonly stop$: Observable<unknown>;
}

/** The events of a session's sockets, one socket after the other, and `sessionOver` at the end. */
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
  // After a sleep in which the lease ran out, the socket still holds frames of that time, in which another instance may
  // have gone on with the jobs: the socket counts as cut off, and the frames are dropped.
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
    concat(inherited$, socket$.pipe(reporting('socket', report, serverUrl), reconnecting(retried))).pipe(
      takeUntil(closed$),
    ),
    of<BoardEvent>({ tag: 'sessionOver', clientId }),
  );
}

/** When a session's socket is to be opened, replaced or closed. All streams share one tick. */
interface Moments {
  /**
   * Emits once, at the first tick at which `mayOpen` says yes, or at once: open a socket. Completes when it is over.
   */
  readonly mayOpen$: Observable<unknown>;
  /** Emits when the socket is deaf: replace it. */
  readonly mustReopen$: Observable<unknown>;
  /** Emits when the server answers again after an outage: open a socket without a further wait. */
  readonly answersAgain$: Observable<unknown>;
  /** Emits when the session or the pipeline ends; replays that to later subscribers, if one was subscribed then. */
  readonly over$: Observable<unknown>;
  /** Emits when it is over and no socket is open: end at once, as there is none to close. */
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

/** R5: whether an event is not about a job of another server: a server may name any id. */
function isFromItsServer(event: BoardEvent, serverUrl: string, board: Board): boolean {
  const job = 'promptId' in event ? board.run(event.promptId ?? '') : undefined;
  return job === undefined || job.state.serverUrl === serverUrl;
}
