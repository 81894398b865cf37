import {
  catchError,
  concat,
  defer,
  EMPTY,
  finalize,
  from,
  ignoreElements,
  map,
  merge,
  mergeMap,
  Observable,
  share,
  skip,
  take,
  tap,
} from 'rxjs';
import { isSettled } from '../../../streams/job/job-state';
import { neverBackward } from '../../../streams/operators/never-backward';
import type { LiveJobs } from '../../wire/protocol';
import type { PublicJob } from '../../wire/public-job';
import { ANSWER_MS, noAnswer, overEach, patiently, refusalOf } from './asking';
import { JobstreamError } from '../jobstream-error';
import type { Link } from '../link';
import type { Room } from './room';

/** How many jobs are remembered, live and ended: the one unheard of for longest is forgotten first. */
const MOST_JOBS = 5_000;
/** How many jobs are asked for at a time that may have ended while the connection was lost. */
const AT_A_TIME = 4;
/** How often a gateway whose store is away is asked again. */
const AGAIN_MS = 5_000;

type News = { readonly tag: 'live'; readonly live: LiveJobs } | { readonly tag: 'change'; readonly job: PublicJob };

/**
 * All jobs that one may see: the live ones, then each change, each job never backward. What ended while the connection
 * was lost is asked for. Never completes. Tells whether the live ones are those of one instance alone, as its store is away.
 */
export function mine(
  link$: Observable<Link | undefined>,
  heard$: Observable<PublicJob>,
  room: (promptId: string) => Pick<Room, 'state$'>,
  tellPartial: (isPartial: boolean) => void,
): Observable<PublicJob> {
  const newest = new Map<string, PublicJob>();
  const live = (): readonly PublicJob[] => [...newest.values()].filter((job) => !isSettled(job));

  /** What is to be told of it, if anything. */
  const taken = (job: PublicJob): Observable<PublicJob> => {
    const last = newest.get(job.promptId);
    return from(last ? [last, job] : [job]).pipe(neverBackward(), skip(last ? 1 : 0), map(remembered));
  };
  const remembered = (job: PublicJob): PublicJob => {
    newest.delete(job.promptId);
    newest.set(job.promptId, job);
    const [oldest] = newest.keys();
    if (newest.size > MOST_JOBS && oldest !== undefined) newest.delete(oldest);
    return job;
  };
  /** Its room's state is heard as any other. */
  const askFor = ({ promptId }: PublicJob): Observable<never> =>
    room(promptId).state$.pipe(
      take(1),
      ignoreElements(),
      catchError((error: unknown) => {
        if (error instanceof JobstreamError && ['unknown-job', 'gone'].includes(error.code)) newest.delete(promptId);
        return EMPTY;
      }),
    );
  const missedIn = ({ jobs, partial }: LiveJobs): Observable<never> => {
    if (partial) return EMPTY;
    const listed = new Set(jobs.map(({ promptId }) => promptId));
    return from(live().filter(({ promptId }) => !listed.has(promptId))).pipe(mergeMap(askFor, AT_A_TIME));
  };

  const told$ = overEach(link$, (link) =>
    watched(link).pipe(
      tap((news) => news.tag === 'live' && tellPartial(news.live.partial === true)),
      patiently(),
      mergeMap((news) => (news.tag === 'change' ? from([news.job]) : merge(from(news.live.jobs), missedIn(news.live)))),
    ),
  );
  const change$ = merge(heard$, told$).pipe(
    mergeMap(taken),
    finalize(() => newest.clear()),
    share(),
  );
  return defer(() => concat(live(), change$));
}

const watched = (link: Link): Observable<News> =>
  new Observable((out) => {
    const change = (job: PublicJob): void => out.next({ tag: 'change', job });
    link.on('job:state', change);
    let waiting: ReturnType<typeof setTimeout> | undefined;
    const ask = (): void =>
      void link.timeout(ANSWER_MS).emit('jobs:watch', (failure: Error | null, reply) => {
        if (out.closed) return;
        if (failure) out.error(noAnswer(failure));
        else if (reply.ok) {
          out.next({ tag: 'live', live: reply });
          if (reply.partial) waiting = setTimeout(ask, AGAIN_MS);
        } else out.error(refusalOf(reply));
      });
    ask();
    return () => {
      clearTimeout(waiting);
      link.off('job:state', change);
      if (link.connected) link.emit('jobs:unwatch');
    };
  });
