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

/** While nothing comes by itself all is listed over HTTP, in case only sockets are blocked. */
const LOOK_MS = { first: 2_000, next: 5_000 };
const HEALTH_MS = 3_000;
/** Each count is asked for once a minute. */
const RECOUNT_MS = 60_000;

/** What a session is kept up to date with, and in. */
export interface Updated {
  readonly api: Api;
  readonly stream: Jobstream;
  readonly cache: JobCache;
  readonly listing: Listing;
  readonly outages: Outages;
  readonly link: Signal<Status>;
  readonly health: Signal<Health | undefined>;
  readonly lastHealth: Signal<Health | undefined>;
  /** Is called with each error of a request or the socket. */
  readonly refused: (error: unknown) => void;
}

type Update = () => void;

/** All that changes in a session by itself, each as what is to be done about it. */
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

/** The jobs that the socket tells of. */
const jobs$ = ({ stream, cache, refused }: Updated): Observable<Update> =>
  stream.watchMine().pipe(
    map((job) => () => cache.take(job, true)),
    catchError((error: unknown) => {
      refused(error);
      return EMPTY;
    }),
  );

/** The connection is lost, or there again. */
const breaks$ = ({ outages, cache }: Updated, isLinked$: Observable<boolean>): Observable<Update> =>
  isLinked$.pipe(
    // The first is before there was any connection.
    skip(1),
    map((isLinked) => () => {
      if (isLinked) outages.heard();
      else {
        outages.lost();
        cache.missed();
      }
    }),
  );

/** One look with each connection, for what changes then comes by itself; without one, a look each five seconds. */
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

/** The gateway's checks each three seconds, while somebody looks. */
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

/** Asks for the counts now and then, while somebody looks; what an answer brings shows by itself. */
const counts$ = ({ listing }: Updated): Observable<never> =>
  timer(RECOUNT_MS, RECOUNT_MS).pipe(
    filter(() => !document.hidden),
    exhaustMap(() => from(listing.recount(AbortSignal.timeout(RECOUNT_MS)))),
    // The next minute brings the next try.
    retry(),
    ignoreElements(),
  );

type Look = 'whole' | 'partial' | 'refused' | 'unanswered';

/** One look at the whole list; given up when nobody waits for it. */
const looking = ({ listing, refused }: Updated): Observable<Look> =>
  defer(() => {
    const abort = new AbortController();
    return from(listing.look(abort.signal)).pipe(finalize(() => abort.abort()));
  }).pipe(
    map((): Look => (listing.partial.value ? 'partial' : 'whole')),
    catchError((error: unknown) => {
      // The next look is due in seconds, and the page shows that nothing comes.
      refused(error);
      return of<Look>(error instanceof Refused ? 'refused' : 'unanswered');
    }),
  );
