import {
  EMPTY,
  catchError,
  concatMap,
  defer,
  exhaustMap,
  interval,
  from,
  map,
  merge,
  mergeAll,
  mergeMap,
  of,
  share,
  switchMap,
  takeUntil,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import type { Backoff } from '../operators/backoff';
import type { Board, BoardEvent, Change } from '../board/board';
import type { Job } from '../job/job';
import { barTickMs } from '../job/progress/bar';
import { reconnecting } from '../operators/reconnecting';
import { reporting, type Report } from '../operators/reporting';
import { inTurn } from './in-turn';
import { sessionFrames, type Session, type SocketPolicy } from './session-frames';

export type { Session, SessionSockets } from './session-frames';

/** One server's REST side. */
export interface Server {
  readonly url: string;
  /** When it answered the last request, ms since 1970; 0 if it did not, or was not asked yet. */
  readonly answeredAt: () => number;
  /**
   * Looks these jobs up, in as few requests as the server allows; `isOurs` tells the runs that are watched here.
   * Completes; errors if there was no usable answer.
   */
  readonly lookUp: (jobs: readonly Job[], isOurs: (runId: string) => boolean) => Observable<BoardEvent>;
}

export interface Sources {
  readonly servers: readonly Server[];
  /** Each session as it becomes held here. */
  readonly session$: Observable<Session>;
  /** This instance's own commands, such as submit, track and cancel: each is subscribed to as it comes. */
  readonly command$: Observable<Observable<BoardEvent>>;
  /** Emits once when all is to close; replays that to late subscribers. */
  readonly stop$: Observable<unknown>;
}

export interface Policy extends SocketPolicy {
  /** The waits between looks at a server that does not answer. */
  readonly look: Backoff;
}

/**
 * Every change of any job, from frames, looks and commands together. Completes once `stop$` emitted and all sockets are
 * closed; errors with any error that is not transient.
 */
export function jobChanges(sources: Sources, board: Board, policy: Policy, report: Report): Observable<Change> {
  const { servers, session$, command$, stop$ } = sources;
  const answers = (serverUrl: string): boolean =>
    servers.some((server) => server.url === serverUrl && server.answeredAt() > 0);
  const framesOf = (session: Session): Observable<BoardEvent> => {
    const around = { board, isAnswering: () => answers(session.serverUrl), stop$ };
    return sessionFrames(session, around, policy, report);
  };
  return merge(
    // Unbounded on purpose: a command that waits for a server must not hold up the others.
    command$.pipe(mergeAll(), takeUntil(stop$)),
    // No new session after the stop; open ones close by themselves, so `takeUntil` stands before `mergeMap`.
    session$.pipe(
      // eslint-disable-next-line rxjs-x/no-unsafe-takeuntil
      takeUntil(stop$),
      mergeMap(framesOf),
    ),
    ...servers.map((server) => looks(server, board, policy, report).pipe(takeUntil(stop$))),
    barTicks(board, policy.clock).pipe(takeUntil(stop$)),
  ).pipe(
    // An event that a subscriber causes waits until all subscribers have the present change: none gets the later first.
    inTurn((event) => board.take(event)),
    share(),
  );
}

/** The ticks that move bars: `clock` each second for all; `moment` in between while the board has bars for it. */
function barTicks({ hurried$ }: Board, clock: SchedulerLike): Observable<BoardEvent> {
  const every = (ms: number, tag: 'clock' | 'moment'): Observable<BoardEvent> =>
    interval(ms, clock).pipe(map(() => ({ tag, at: clock.now() })));
  const moment$ = hurried$.pipe(switchMap((isHurried) => (isHurried ? every(barTickMs.shortest, 'moment') : EMPTY)));
  return merge(every(barTickMs.longest, 'clock'), moment$);
}

/** Looks up a server's jobs that are due, one look at a time; with growing waits while it does not answer. */
function looks(server: Server, board: Board, policy: Policy, report: Report): Observable<BoardEvent> {
  const { tickMs, look, clock, isTransient } = policy;
  return interval(tickMs, clock).pipe(
    exhaustMap(() => {
      const jobs = board.due(server.url, clock.now());
      return jobs.length === 0 ? EMPTY : lookAlone(server, jobs, (id) => board.run(id) !== undefined, policy, report);
    }),
    reporting('look', report, server.url),
    reconnecting({ backoff: look, clock, isTransient }),
  );
}

/** R15: if a bug of ours breaks a look, looks each of its jobs up by itself, and fails the job that breaks again. */
function lookAlone(
  server: Server,
  jobs: readonly Job[],
  isOurs: (runId: string) => boolean,
  { clock, isTransient }: Policy,
  report: Report,
): Observable<BoardEvent> {
  const alone = (job: Job): Observable<BoardEvent> =>
    defer(() => server.lookUp([job], isOurs)).pipe(
      catchError((error: unknown) => {
        if (isTransient(error)) throw error;
        return of<BoardEvent>({ tag: 'brokeHere', state: job.state, error, at: clock.now() });
      }),
    );
  return defer(() => server.lookUp(jobs, isOurs)).pipe(
    catchError((error: unknown) => {
      if (isTransient(error)) throw error;
      // Reported here, as no job may break by itself.
      report('look', error, server.url);
      return from(jobs).pipe(concatMap(alone));
    }),
  );
}
