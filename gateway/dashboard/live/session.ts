import { signal, type ReadonlySignal } from '@preact/signals';
import {
  catchError,
  defer,
  distinctUntilChanged,
  EMPTY,
  exhaustMap,
  filter,
  finalize,
  from,
  map,
  merge,
  skip,
  switchMap,
  timer,
  type Observable,
} from 'rxjs';
import { jobstream, JobstreamError, type Jobstream, type Status } from '../../client';
import type { PublicJob } from '../../wire/public-job';
import { typeWords } from '../model/words';
import { gatewayApi, gatewayUrl, Refused, type Api, type Health } from './api';
import { emptyBoard, type Board } from './job-cache';
import { listing, type Listing } from './listing';
import { notify } from './notices';
import { picturesOf, type Pictures } from './pictures';
import { submissionOf } from './own-submissions';

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
  close(): void;
}

/** All jobs are listed now and then, in case a change got lost; and often while none comes by itself. */
const LOOK_MS = { linked: 60_000, unlinked: 5_000 };
const HEALTH_MS = 3_000;

/** `unauthorized` is called once the gateway refuses the token. */
export function openSession(token: string | undefined, unauthorized: () => void): Session {
  const api = gatewayApi(token);
  const stream = jobstream({ url: gatewayUrl(), ...(token !== undefined && { token }) });
  const board = emptyBoard(announceEnd);
  const jobs = listing(api, board);
  const link = signal<Status>('connecting');
  const health = signal<Health | undefined>(undefined);
  const lastHealth = signal<Health | undefined>(undefined);
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
  const look$ = linked$.pipe(
    switchMap((linked) =>
      timer(0, linked ? LOOK_MS.linked : LOOK_MS.unlinked).pipe(exhaustMap(() => looking(jobs, refused))),
    ),
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
      filter((linked) => !linked),
      // The first is before there was any connection.
      skip(1),
      map(() => () => board.missed()),
    ),
    look$,
    health$.pipe(
      map((checks) => () => {
        health.value = checks;
        lastHealth.value = checks ?? lastHealth.value;
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
    close() {
      removeEventListener('pagehide', leave);
      running.unsubscribe();
      pictures.close();
      stream.close();
    },
  };
}

/** One look at the whole list; given up when nobody waits for it. */
const looking = (jobs: Listing, refused: (error: unknown) => void): Observable<() => void> =>
  defer(() => {
    const abort = new AbortController();
    return from(jobs.look(abort.signal)).pipe(finalize(() => abort.abort()));
  }).pipe(
    map(() => () => undefined),
    catchError((error: unknown) => {
      // The next look is due in seconds, and the page shows that the gateway does not answer.
      refused(error);
      return EMPTY;
    }),
  );

/** Only of what this tab submitted: a screen reader is not to be told of everybody's. */
function announceEnd(job: PublicJob): void {
  if (submissionOf(job.promptId) === undefined) return;
  const how = job.status === 'completed' ? 'completed' : job.failure?.kind === 'cancelled' ? 'cancelled' : 'failed';
  notify(`${typeWords(job.type)} ${how}.`, job.promptId);
}
