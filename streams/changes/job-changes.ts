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

export type { Session } from './session-frames';

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

/** An error that is not the outside's ends the page. */
export interface Policy extends SocketPolicy {
  readonly look: Backoff;
}

/** Every change of any job, from frames and looks and commands together. Completes once `stop$` emitted and all sockets are closed. */
export function jobChanges(sources: Sources, board: Board, policy: Policy, report: Report): Observable<Change> {
  const { servers, session$, command$, stop$ } = sources;
  const answers = (serverUrl: string): boolean =>
    servers.some((server) => server.url === serverUrl && server.answeredAt() > 0);
  const framesOf = (session: Session): Observable<BoardEvent> => {
    const around = { board, isAnswering: () => answers(session.serverUrl), stop$ };
    return sessionFrames(session, around, policy, report);
  };
  return merge(
    // Unbounded on purpose: a command that waits for a server must not keep the others waiting.
    command$.pipe(mergeAll(), takeUntil(stop$)),
    // No new session after the stop, while those that are open close by themselves.
    session$.pipe(
      // eslint-disable-next-line rxjs-x/no-unsafe-takeuntil
      takeUntil(stop$),
      mergeMap(framesOf),
    ),
    ...servers.map((server) => looks(server, board, policy, report).pipe(takeUntil(stop$))),
    barTicks(board, policy.clock).pipe(takeUntil(stop$)),
  ).pipe(
    // A call that is made while a change is being told waits for its turn: nobody is told the later change first.
    inTurn((event) => board.take(event)),
    share(),
  );
}

/** The clock of bars: all of them each second; in between, only while there are such, those of runs of less than one. */
function barTicks({ hurried$ }: Board, clock: SchedulerLike): Observable<BoardEvent> {
  const every = (ms: number, tag: 'clock' | 'moment'): Observable<BoardEvent> =>
    interval(ms, clock).pipe(map(() => ({ tag, at: clock.now() })));
  const moment$ = hurried$.pipe(switchMap((isHurried) => (isHurried ? every(barTickMs.shortest, 'moment') : EMPTY)));
  return merge(every(barTickMs.longest, 'clock'), moment$);
}

/** What looks at a server bring: one at a time, at the jobs that are due, more slowly while it does not answer. */
function looks(server: Server, board: Board, policy: Policy, report: Report): Observable<BoardEvent> {
  const { tickMs, look, clock, isTransient } = policy;
  return interval(tickMs, clock).pipe(
    exhaustMap(() => {
      const jobs = board.due(server.url, clock.now());
      return jobs.length === 0 ? EMPTY : lookAlone(server, jobs, policy, report);
    }),
    reporting('look', report),
    reconnecting({ backoff: look, clock, isTransient }),
  );
}

/** R15: where a mistake of ours breaks a look, each job is looked at by itself, and the one that breaks it fails. */
function lookAlone(
  server: Server,
  jobs: readonly Job[],
  { clock, isTransient }: Policy,
  report: Report,
): Observable<BoardEvent> {
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
      // It may break at none of them alone, and would not be heard of.
      report('look', error);
      return from(jobs).pipe(concatMap(alone));
    }),
  );
}
