import {
  BehaviorSubject,
  distinctUntilChanged,
  map,
  merge,
  ReplaySubject,
  share,
  Subject,
  timer,
  type Observable,
} from 'rxjs';
import type { PublicJob } from '../wire/public-job';
import { JobstreamError } from './jobstream-error';
import { link, type Connection, type LinkOptions, type Status } from './link';
import { mine } from './rooms/mine';
import { outputUrls } from './output-urls';
import { placeOf } from './place';
import { rooms, type Preview } from './rooms/room';

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
  /** Whether what `watchMine` told as live may not be all: the gateway's store is away, and is asked for until it is back. */
  readonly partial$: Observable<boolean>;
  /** Images of the job's running node. Lossy; completes when the job settles, errors as `watchJob` does. */
  previews(promptId: string): Observable<Preview>;
  /** How the connection is, from now on; ends with `closed`, which is told to whoever asks later too. */
  readonly status$: Observable<Status>;
  /** The same, with why there is no connection: a gateway that is away, a page that is not allowed, and so on. */
  readonly connection$: Observable<Connection>;
  /**
   * A URL of a job's nth output that `<img>` and `<video>` can show without a token, for five minutes at least. Rejects with
   * a `JobstreamError`.
   */
  outputUrl(promptId: string, n: number): Promise<string>;
  /** Ends it for good: who still watches gets the error `closed`. */
  close(): void;
}

/** How long the socket outlives its last watcher: the next one may be a page away. */
const LINGER_MS = 2_000;

/** Connects to a gateway as soon as something is watched. Throws a `JobstreamError` where the URL is none. */
export function jobstream({ url, token }: LinkOptions): Jobstream {
  const place = placeOf(url);
  // Who asks after the end is told `closed` too, where a `BehaviorSubject` would only complete.
  const status$ = new ReplaySubject<Connection>(1);
  let present: Connection | undefined;
  const tell = (status: Status, reason?: JobstreamError): void => {
    const since = present?.status === status ? present.since : Date.now();
    present = { status, since, ...(reason && { reason }) };
    status$.next(present);
  };
  tell('idle');
  const closed$ = new ReplaySubject<never>(1);
  let closed = false;
  const heard$ = new Subject<PublicJob>();
  const connection$ = link(place, token, tell);
  const link$ = merge(closed$, connection$).pipe(
    share({
      connector: () => new ReplaySubject(1),
      resetOnRefCountZero: () => timer(closed ? 0 : LINGER_MS),
    }),
  );
  const room = rooms(link$, (job) => heard$.next(job));
  const partial$ = new BehaviorSubject(false);
  const mine$ = mine(link$, heard$, room, (isPartial) => partial$.next(isPartial));
  return {
    watchJob: (promptId) => room(promptId).state$,
    watchMine: () => mine$,
    partial$: partial$.pipe(distinctUntilChanged()),
    previews: (promptId) => room(promptId).preview$,
    status$: status$.pipe(
      map(({ status }) => status),
      distinctUntilChanged(),
    ),
    connection$: status$.asObservable(),
    outputUrl: outputUrls(place, token),
    close() {
      closed = true;
      tell('closed');
      status$.complete();
      partial$.complete();
      closed$.error(new JobstreamError('closed', 'The jobstream was closed.'));
    },
  };
}
