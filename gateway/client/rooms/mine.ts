import {
  catchError,
  concat,
  defer,
  EMPTY,
  filter,
  finalize,
  from,
  ignoreElements,
  map,
  merge,
  mergeMap,
  Observable,
  share,
  skip,
  Subject,
  switchMap,
  take,
  tap,
} from 'rxjs';
import { isSettled } from '../../../streams/job/job-state';
import { neverBackward } from '../../../streams/operators/never-backward';
import { remember } from '../../../streams/maps/remember';
import type { LiveJobs } from '../../wire/protocol';
import type { PublicJob } from '../../wire/public-job';
import { ANSWER_MS, noAnswer, overEach, patiently } from './asking';
import { isJob, liveIn } from './checked';
import { JobstreamError } from '../jobstream-error';
import type { Link } from '../link';
import type { Room } from './room';

/** How many jobs are remembered, live and settled: the one without news for longest is forgotten first. */
const MOST_JOBS = 5_000;
/** How many jobs that may have ended while the connection was lost are asked for at a time. */
const AT_A_TIME = 4;
/** In how many rooms of live jobs that the list does not name the client stays at a time. */
const STAYS = 8;
/** After `jobs:partial`, each client asks again at a random moment within 1 s, so that they do not all ask at once. */
const SPREAD_MS = 1_000;
/** How long after a partial list, or one that lacks a live job, the client asks again. */
const AGAIN_MS = 5_000;

type News = { readonly tag: 'live'; readonly live: LiveJobs } | { readonly tag: 'change'; readonly job: PublicJob };

/**
 * All jobs that the token may see: the live ones, then each change, the states of each job in order. Jobs that ended
 * while the connection was lost are asked for. Never completes. Calls `tellPartial` with whether the list is of one
 * instance alone, because its store is away.
 */
export function mine(
  link$: Observable<Link | undefined>,
  heard$: Observable<PublicJob>,
  room: (promptId: string) => Pick<Room, 'state$'>,
  tellPartial: (isPartial: boolean) => void,
): Observable<PublicJob> {
  const newest = new Map<string, PublicJob>();
  const live = (): readonly PublicJob[] => [...newest.values()].filter((job) => !isSettled(job));

  /** Emits the state if it is news, and remembers it. */
  const taken = (job: PublicJob): Observable<PublicJob> => {
    const last = newest.get(job.promptId);
    return from(last ? [last, job] : [job]).pipe(neverBackward(), skip(last ? 1 : 0), map(remembered));
  };
  const remembered = (job: PublicJob): PublicJob => {
    remember(newest, job.promptId, job, MOST_JOBS);
    return job;
  };
  /** The states of a job's room, which also arrive in `heard$`. Forgets a job that is unknown. */
  const roomStates = ({ promptId }: PublicJob): Observable<PublicJob> =>
    room(promptId).state$.pipe(
      catchError((error: unknown) => {
        if (error instanceof JobstreamError && ['unknown-job', 'gone'].includes(error.code)) newest.delete(promptId);
        return EMPTY;
      }),
    );
  const told$ = overEach(link$, (link) => {
    const again$ = new Subject<void>();
    const news$ = watched(link, again$).pipe(
      tap((news) => news.tag === 'live' && tellPartial(news.live.partial === true)),
      patiently(),
      share(),
    );
    const change$ = news$.pipe(mergeMap((news) => (news.tag === 'change' ? [news.job] : [])));
    const list$ = news$.pipe(mergeMap((news) => (news.tag === 'live' ? [news.live] : [])));
    return merge(
      change$,
      list$.pipe(
        switchMap((list) =>
          merge(
            from(list.jobs),
            missed(list, live(), roomStates, () => again$.next()),
          ),
        ),
      ),
    );
  });
  const change$ = merge(heard$, told$).pipe(
    mergeMap(taken),
    finalize(() => newest.clear()),
    share(),
  );
  return defer(() => concat(live(), change$));
}

/**
 * Asks for each live job that the list does not name, by joining its room. If it turns out to be live, that gateway may
 * not get its changes: the client stays in the room until the job settles or the next list comes, which it asks for.
 */
function missed(
  { jobs, more, partial }: LiveJobs,
  live: readonly PublicJob[],
  roomStates: (job: PublicJob) => Observable<PublicJob>,
  askAgain: () => void,
): Observable<never> {
  if (partial) return EMPTY;
  const listed = new Set(jobs.map(({ promptId }) => promptId));
  return from(live.filter(({ promptId }) => !listed.has(promptId))).pipe(
    mergeMap((job) => roomStates(job).pipe(take(1)), AT_A_TIME),
    // If the list is cut (`more`), the gateway knows the jobs that it does not name.
    filter((job) => !more && !isSettled(job)),
    tap(askAgain),
    mergeMap(roomStates, STAYS),
    ignoreElements(),
  );
}

/** Asks for the list at once, and 5 s after `again$`. Emits lists and changes. */
const watched = (link: Link, again$: Observable<void>): Observable<News> =>
  new Observable((out) => {
    const change = (job: PublicJob): void => {
      if (isJob(job)) out.next({ tag: 'change', job });
    };
    link.on('job:state', change);
    let waiting: ReturnType<typeof setTimeout> | undefined;
    const askIn = (ms: number): void => void (waiting ??= setTimeout(ask, ms));
    const askLater = (): void => askIn(AGAIN_MS);
    const askSoon = (): void => askIn(Math.random() * SPREAD_MS);
    const ask = (): void => {
      waiting = undefined;
      link.timeout(ANSWER_MS).emit('jobs:watch', (failure: Error | null, reply) => {
        if (out.closed) return;
        try {
          if (failure) throw noAnswer(failure);
          const live = liveIn(reply);
          out.next({ tag: 'live', live });
          if (live.partial) askLater();
        } catch (error) {
          out.error(error);
        }
      });
    };
    link.on('jobs:partial', askSoon);
    out.add(again$.subscribe(askLater));
    ask();
    return () => {
      clearTimeout(waiting);
      link.off('job:state', change);
      link.off('jobs:partial', askSoon);
      if (link.connected) link.emit('jobs:unwatch');
    };
  });
