import {
  BehaviorSubject,
  distinctUntilChanged,
  merge,
  ReplaySubject,
  share,
  Subject,
  timer,
  type Observable,
} from 'rxjs';
import type { PublicJob } from '../wire/public-job';
import { JobstreamError } from './jobstream-error';
import { link, type LinkOptions, type Status } from './link';
import { mine } from './mine';
import { rooms, type Preview } from './room';

export type JobstreamOptions = LinkOptions;

/** Live jobs of one gateway, over one socket that is open while somebody watches. */
export interface Jobstream {
  /**
   * The job's present state, then each change, never backward, whatever breaks on the way; completes when it settles.
   * Errors with a `JobstreamError`.
   */
  watchJob(promptId: string): Observable<PublicJob>;
  /**
   * Every job that the token may see: the live ones as they are, then each change of any. A user's are their own, a
   * service's are all. Never completes.
   */
  watchMine(): Observable<PublicJob>;
  /** Images of the job's running node. Lossy; completes when the job settles, errors as `watchJob` does. */
  previews(promptId: string): Observable<Preview>;
  /** How the connection is, from now on. */
  readonly status$: Observable<Status>;
  /** Ends it for good: who still watches gets the error `closed`. */
  close(): void;
}

/** How long the socket outlives its last watcher: the next one may be a page away. */
const LINGER_MS = 2_000;

/** Connects to a gateway as soon as something is watched. */
export function jobstream(options: JobstreamOptions): Jobstream {
  const status$ = new BehaviorSubject<Status>('idle');
  const closed$ = new ReplaySubject<never>(1);
  let closed = false;
  const heard$ = new Subject<PublicJob>();
  const connection$ = link(options, (status) => status$.next(status));
  const link$ = merge(closed$, connection$).pipe(
    share({
      connector: () => new ReplaySubject(1),
      resetOnRefCountZero: () => timer(closed ? 0 : LINGER_MS),
    }),
  );
  const room = rooms(link$, (job) => heard$.next(job));
  const mine$ = mine(link$, heard$, room);
  return {
    watchJob: (promptId) => room(promptId).state$,
    watchMine: () => mine$,
    previews: (promptId) => room(promptId).preview$,
    status$: status$.pipe(distinctUntilChanged()),
    close() {
      closed = true;
      status$.next('closed');
      status$.complete();
      closed$.error(new JobstreamError('closed', 'The jobstream was closed.'));
    },
  };
}
