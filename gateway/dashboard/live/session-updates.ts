import type { Signal } from '@preact/signals';
import {
  catchError,
  defer,
  distinctUntilChanged,
  EMPTY,
  exhaustMap,
  expand,
  filter,
  finalize,
  from,
  ignoreElements,
  map,
  merge,
  of,
  retry,
  skip,
  switchMap,
  timer,
  type Observable,
} from 'rxjs';
import type { Jobstream, Status } from '../../client';
import { Refused, type Api, type Health } from './api';
import type { JobCache } from './jobs/job-cache';
import type { Listing } from './jobs/listing';
import type { Outages } from './outages';

/** Without a socket, jobs are listed over HTTP, 2 s after the loss and then every 5 s: only sockets may be blocked. */
const LOOK_MS = { first: 2_000, next: 5_000 };
const HEALTH_MS = 3_000;
/** Counts are asked for once a minute. */
const RECOUNT_MS = 60_000;

/** The parts of a session that updates read from and write to. */
export interface Updated {
  readonly api: Api;
  readonly stream: Jobstream;
  readonly cache: JobCache;
  readonly listing: Listing;
  readonly outages: Outages;
  readonly link: Signal<Status>;
  readonly health: Signal<Health | undefined>;
  readonly lastHealth: Signal<Health | undefined>;
  /** Called with each error of a list or of the socket. */
  readonly refused: (error: unknown) => void;
}

type Update = () => void;

/** All updates of a session from outside, each as a function that applies it. */
export const updates$ = (session: Updated): Observable<Update> => {
  const isLinked$ = session.stream.status$.pipe(
    map((status) => status === 'connected'),
    distinctUntilChanged(),
  );
  return merge(
    jobs$(session),
    session.stream.status$.pipe(map((status) => () => (session.link.value = status))),
    breaks$(session, isLinked$),
    looks$(session, isLinked$),
    health$(session),
    counts$(session),
  );
};

/** The jobs' states that come over the socket. */
const jobs$ = ({ stream, cache, refused }: Updated): Observable<Update> =>
  stream.watchMine().pipe(
    map((job) => () => cache.take(job, true)),
    catchError((error: unknown) => {
      refused(error);
      return EMPTY;
    }),
  );

/** Notes when the connection is lost, and when it is back. */
const breaks$ = ({ outages, cache }: Updated, isLinked$: Observable<boolean>): Observable<Update> =>
  isLinked$.pipe(
    // The first value is the state before any connection.
    skip(1),
    map((isLinked) => () => {
      if (isLinked) outages.heard();
      else {
        outages.lost();
        cache.missed();
      }
    }),
  );

/** Lists the jobs once per connection, because later changes come over the socket; without one, every 5 s. */
const looks$ = (session: Updated, isLinked$: Observable<boolean>): Observable<Update> => {
  const { outages, link } = session;
  const look$ = looking(session);
  const untilWhole$ = look$.pipe(
    expand((look) => (look === 'whole' ? EMPTY : timer(LOOK_MS.next).pipe(switchMap(() => look$)))),
  );
  const unlinked$ = timer(LOOK_MS.first, LOOK_MS.next).pipe(exhaustMap(() => look$));
  return isLinked$.pipe(
    switchMap((isLinked) => (isLinked ? untilWhole$ : unlinked$)),
    map((look) => () => {
      if (look !== 'unanswered') outages.heard();
      else if (link.value !== 'connected') outages.lost();
    }),
  );
};

/** Asks for the gateway's health every 3 s, while the page is visible. */
const health$ = ({ api, cache, health, lastHealth, outages }: Updated): Observable<Update> =>
  timer(0, HEALTH_MS).pipe(
    filter(() => !document.hidden),
    exhaustMap(() => from(api.health().catch(() => undefined))),
    map((checks) => () => {
      health.value = checks;
      lastHealth.value = checks ?? lastHealth.value;
      if (checks) outages.checked(checks.servers);
      cache.expire();
    }),
  );

/** Asks for the counts every minute, while the page is visible. They are shown through `listing.pages`. */
const counts$ = ({ listing }: Updated): Observable<never> =>
  timer(RECOUNT_MS, RECOUNT_MS).pipe(
    filter(() => !document.hidden),
    exhaustMap(() => from(listing.recount(AbortSignal.timeout(RECOUNT_MS)))),
    // After an error, the timer starts again: the next try is in a minute.
    retry(),
    ignoreElements(),
  );

type Look = 'whole' | 'partial' | 'refused' | 'unanswered';

/** Lists the jobs once. Unsubscribing aborts the requests. */
const looking = ({ listing, refused }: Updated): Observable<Look> =>
  defer(() => {
    const abort = new AbortController();
    return from(listing.look(abort.signal)).pipe(finalize(() => abort.abort()));
  }).pipe(
    map((): Look => (listing.partial.value ? 'partial' : 'whole')),
    catchError((error: unknown) => {
      // Not shown here: the next look is due in seconds, and a banner says that nothing comes.
      refused(error);
      return of<Look>(error instanceof Refused ? 'refused' : 'unanswered');
    }),
  );
