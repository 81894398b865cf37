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

/** All data of one sign-in, over one socket, until sign-out. */
export interface Session {
  readonly token: string | undefined;
  readonly api: Api;
  readonly stream: Jobstream;
  readonly cache: JobCache;
  readonly listing: Listing;
  readonly pictures: Pictures;
  readonly link: ReadonlySignal<Status>;
  /** The newest health checks; `undefined` if the last request got no answer. */
  readonly health: ReadonlySignal<Health | undefined>;
  /** The last health checks that arrived. */
  readonly lastHealth: ReadonlySignal<Health | undefined>;
  readonly outages: Outages;
  close(): void;
}

/** Opens a session. Calls `unauthorized` when the gateway refuses the token, or wants one. */
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
    api,
    stream,
    cache,
    link,
    health,
    lastHealth,
    listing: jobs,
    outages: seen,
    refused,
  })
    // Views follow the signals that an update sets.
    .subscribe((apply) => apply());
  const leave = (): void => cache.keepHistories();
  addEventListener('pagehide', leave);

  return {
    token,
    api,
    stream,
    cache,
    pictures,
    link,
    health,
    lastHealth,
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

/**
 * Shows a notice at the end of a job that this tab submitted. A screen reader reads notices: those of all jobs are too
 * many.
 */
function announceEnd(job: PublicJob): void {
  if (submissionOf(job.promptId) !== undefined) notify(`${typeWords(job.type)} ${standingOf(job)}.`, job.promptId);
}
