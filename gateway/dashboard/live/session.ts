import { signal, type ReadonlySignal } from '@preact/signals';
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
  map,
  merge,
  of,
  skip,
  switchMap,
  timer,
  type Observable,
} from 'rxjs';
import { jobstream, JobstreamError, type Jobstream, type Status } from '../../client';
import type { PublicJob } from '../../wire/public-job';
import { standingOf } from '../model/wanted';
import { typeWords } from '../model/words';
import { isSettled } from '../../../streams/job/job-state';
import { gatewayApi, gatewayUrl, Refused, type Api, type Health } from './api';
import { emptyBoard, type Board } from './jobs/job-cache';
import { listing, type Listing } from './jobs/listing';
import { submissionOf } from './jobs/own-submissions';
import { picturesOf, type Pictures } from './jobs/pictures';
import { notify } from './notices';
import { outages, type Outages } from './outages';

/** All that one person sees, over one socket, from sign-in to sign-out. */
export interface Session {
  readonly token: string | undefined;
  readonly api: Api;
  readonly stream: Jobstream;
  readonly board: Board;
  readonly listing: Listing;
  readonly pictures: Pictures;
  readonly link: ReadonlySignal<Status>;
  /** The newest checks; `undefined` while the gateway says nothing. */
  readonly health: ReadonlySignal<Health | undefined>;
  /** The newest checks that came at all. */
  readonly lastHealth: ReadonlySignal<Health | undefined>;
  readonly outages: Outages;
  close(): void;
}

/** While nothing comes by itself all is listed over HTTP, in case only sockets are blocked. */
const LOOK_MS = { first: 2_000, next: 5_000 };
const HEALTH_MS = 3_000;

/** `unauthorized` is called once the gateway refuses the token. */
export function openSession(token: string | undefined, unauthorized: () => void): Session {
  const api = gatewayApi(token);
  const stream = jobstream({ url: gatewayUrl(), ...(token !== undefined && { token }) });
  const board = emptyBoard((job, before, isNews) => {
    jobs.note(job, before, isNews);
    if (before !== undefined && isSettled(job)) announceEnd(job);
  });
  const jobs = listing(api, board);
  const link = signal<Status>('connecting');
  const health = signal<Health | undefined>(undefined);
  const lastHealth = signal<Health | undefined>(undefined);
  const seen = outages(() => Date.now());
  const pictures = picturesOf(stream, api);

  const refused = (error: unknown): void => {
    if (
      error instanceof Refused ? error.status === 401 : error instanceof JobstreamError && error.code === 'unauthorized'
    )
      unauthorized();
  };
  const linked$ = stream.status$.pipe(
    map((status) => status === 'connected'),
    distinctUntilChanged(),
  );
  // Once for each connection; what changes then comes by itself.
  const look$ = linked$.pipe(
    switchMap((linked) => {
      const look$ = looking(jobs, refused);
      if (!linked) return timer(LOOK_MS.first, LOOK_MS.next).pipe(exhaustMap(() => look$));
      return look$.pipe(
        expand((look) => (look === 'whole' ? EMPTY : timer(LOOK_MS.next).pipe(switchMap(() => look$)))),
      );
    }),
  );
  const health$ = timer(0, HEALTH_MS).pipe(
    filter(() => !document.hidden),
    exhaustMap(() => from(api.health().catch(() => undefined))),
  );

  const running = merge(
    stream.watchMine().pipe(
      map((job) => () => board.take(job, true)),
      catchError((error: unknown) => {
        refused(error);
        return EMPTY;
      }),
    ),
    stream.status$.pipe(map((status) => () => (link.value = status))),
    linked$.pipe(
      // The first is before there was any connection.
      skip(1),
      map((linked) => () => {
        if (linked) seen.heard();
        else {
          seen.lost();
          board.missed();
        }
      }),
    ),
    look$.pipe(
      map((look) => () => {
        if (look !== 'unanswered') seen.heard();
        else if (link.value !== 'connected') seen.lost();
      }),
    ),
    health$.pipe(
      map((checks) => () => {
        health.value = checks;
        lastHealth.value = checks ?? lastHealth.value;
        if (checks) seen.checked(checks.servers);
      }),
    ),
  ).subscribe((apply) => void apply());
  const leave = (): void => board.keepHistories();
  addEventListener('pagehide', leave);

  return {
    token,
    api,
    stream,
    board,
    listing: jobs,
    pictures,
    link,
    health,
    lastHealth,
    outages: seen,
    close() {
      removeEventListener('pagehide', leave);
      running.unsubscribe();
      pictures.close();
      stream.close();
    },
  };
}

type Look = 'whole' | 'partial' | 'refused' | 'unanswered';

/** One look at the whole list; given up when nobody waits for it. */
const looking = (jobs: Listing, refused: (error: unknown) => void): Observable<Look> =>
  defer(() => {
    const abort = new AbortController();
    return from(jobs.look(abort.signal)).pipe(finalize(() => abort.abort()));
  }).pipe(
    map((): Look => (jobs.partial.value ? 'partial' : 'whole')),
    catchError((error: unknown) => {
      // The next look is due in seconds, and the page shows that nothing comes.
      refused(error);
      return of<Look>(error instanceof Refused ? 'refused' : 'unanswered');
    }),
  );

/** Only of what this tab submitted: a screen reader is not to be told of everybody's. */
function announceEnd(job: PublicJob): void {
  if (submissionOf(job.promptId) !== undefined) notify(`${typeWords(job.type)} ${standingOf(job)}.`, job.promptId);
}
