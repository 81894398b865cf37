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
import { isRecord } from '../../streams/options';

/**
 * Live jobs of one gateway, over one socket. It opens with the first subscription, and closes 2 s after the last ended.
 */
export interface Jobstream {
  /**
   * The job's present state, then each change, in order also across reconnections; completes when the job settles.
   * Errors with a `JobstreamError`.
   */
  watchJob(promptId: string): Observable<PublicJob>;
  /**
   * All jobs that the token may see, a user's own or a service's all: the live ones as they are, then each change.
   * Never completes; errors with a `JobstreamError`.
   */
  watchMine(): Observable<PublicJob>;
  /**
   * Whether live jobs may be missing from `watchMine`, because the gateway's store is away and its instance knows only
   * its own jobs. While it is `true`, the list is asked for every 5 s.
   */
  readonly partial$: Observable<boolean>;
  /** Images of the job's running node; some are dropped. Completes when the job settles, errors as `watchJob` does. */
  previews(promptId: string): Observable<Preview>;
  /** The connection's status, the present one first. Completes after `closed`, which late subscribers get too. */
  readonly status$: Observable<Status>;
  /** The status, since when, and why the last try to connect failed, such as `unreachable` or `origin-refused`. */
  readonly connection$: Observable<Connection>;
  /**
   * A URL of a job's nth output, from 0, that `<img>` and `<video>` can show without a token for 5 to 10 minutes.
   * Rejects with a `JobstreamError`.
   */
  outputUrl(promptId: string, n: number): Promise<string>;
  /** Closes the socket for good. Running subscriptions get the error `closed`. */
  close(): void;
}

/** How long the socket stays open after its last subscriber left: a page that opens next may need it. */
const LINGER_MS = 2_000;

/**
 * Connects to a gateway with the first subscription. Throws a `JobstreamError`: `bad-url` for a bad URL, `bad-option` for
 * an option that it does not know, or where the options are no object.
 */
export function jobstream(options: LinkOptions): Jobstream {
  if (!isRecord(options)) throw new JobstreamError('bad-option', 'jobstream takes an object with a url, and a token.');
  const { url, token, ...unknown } = options;
  const [name] = Object.keys(unknown);
  if (name !== undefined) throw new JobstreamError('bad-option', `${name} is no option: there are url and token.`);
  const place = placeOf(url);
  // Replays `closed` to late subscribers; a `BehaviorSubject` that completed would emit nothing.
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
