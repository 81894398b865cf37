import { signal, type ReadonlySignal } from '@preact/signals';
import { jobstream, JobstreamError, type Jobstream, type Status } from '../../client';
import type { PublicJob } from '../../wire/public-job';
import { standingOf } from '../model/wanted';
import { typeWords } from '../model/words';
import { isSettled } from '../../../streams/job/job-state';
import { gatewayApi, gatewayUrl, Refused, type Api, type Health } from './api';
import { jobCache, type JobCache } from './jobs/job-cache';
import { listing, type Listing } from './jobs/listing';
import { submissionOf } from './jobs/own-submissions';
import { picturesOf, type Pictures } from './jobs/pictures';
import { notify } from './notices';
import { outages, type Outages } from './outages';
import { updates$ } from './session-updates';

/** All that one person sees, over one socket, from sign-in to sign-out. */
export interface Session {
  readonly token: string | undefined;
  readonly api: Api;
  readonly stream: Jobstream;
  readonly cache: JobCache;
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

/** `unauthorized` is called once the gateway refuses the token. */
export function openSession(token: string | undefined, unauthorized: () => void): Session {
  const api = gatewayApi(token);
  const stream = jobstream({ url: gatewayUrl(), ...(token !== undefined && { token }) });
  const cache = jobCache((job, before, isNews) => {
    jobs.note(job, before, isNews);
    if (before !== undefined && isSettled(job)) announceEnd(job);
  });
  const jobs = listing(api, cache);
  const link = signal<Status>('connecting');
  const health = signal<Health | undefined>(undefined);
  const lastHealth = signal<Health | undefined>(undefined);
  const seen = outages(() => Date.now());
  const pictures = picturesOf(stream, api);
  const refused = (error: unknown): void => {
    if (isUnauthorized(error)) unauthorized();
  };
  const running = updates$({
    ...{ api, stream, cache, link, health, lastHealth },
    listing: jobs,
    outages: seen,
    refused,
  })
    // Each update is applied by itself: signals tell the views.
    .subscribe((apply) => apply());
  const leave = (): void => cache.keepHistories();
  addEventListener('pagehide', leave);

  return {
    ...{ token, api, stream, cache, pictures, link, health, lastHealth },
    listing: jobs,
    outages: seen,
    close() {
      removeEventListener('pagehide', leave);
      running.unsubscribe();
      pictures.close();
      stream.close();
    },
  };
}

const isUnauthorized = (error: unknown): boolean =>
  error instanceof Refused ? error.status === 401 : error instanceof JobstreamError && error.code === 'unauthorized';

/** Only of what this tab submitted: a screen reader is not to be told of everybody's. */
function announceEnd(job: PublicJob): void {
  if (submissionOf(job.promptId) !== undefined) notify(`${typeWords(job.type)} ${standingOf(job)}.`, job.promptId);
}
