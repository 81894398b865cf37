import { lastValueFrom, toArray, type Observable } from 'rxjs';
import type { JobStore } from '../../../sinks/job-store';
import { feedChannel } from '../../../sinks/redis/feed/redis-feed';
import { redisStore } from '../../../sinks/redis/redis-store';
import type { JobState } from '../../../streams/job/job-state';
import { aState } from '../../sinks/a-state';
import { PATIENCE_MS } from '../until';
import { sharedRedis } from './shared-redis';

/** Where the store has the job `job-1`. */
export const KEY = 'comfyui:job:job-1';
/** How long it has a state after the last write. */
export const TTL_MS = 7_200_000;

export const put = (store: JobStore, own: Partial<JobState> = {}) => lastValueFrom(store.put(aState(own)));
export const get = (store: JobStore, promptId = 'job-1') => lastValueFrom(store.get(promptId));
export const list = (store: JobStore) => lastValueFrom(store.live().pipe(toArray()));
export const done = (work$: Observable<never>) => lastValueFrom(work$, { defaultValue: undefined });
export const healthy = (store: JobStore) => lastValueFrom(store.healthy());

/** Stores on one Redis that keeps each write, which are closed after each test, and what they report. */
export function openedStores() {
  const shared = sharedRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
  const reports: { readonly where: string; readonly error: unknown }[] = [];
  const stores: JobStore[] = [];

  beforeEach(() => {
    reports.length = 0;
    stores.length = 0;
  });
  afterEach(async () => {
    for (const store of stores) await lastValueFrom(store.close(), { defaultValue: undefined });
  });

  const report = (where: string, error: unknown) => void reports.push({ where, error });
  return {
    shared,
    reports,
    stores,
    report,
    open: (url = shared.server.url, commandTimeoutMs = PATIENCE_MS): JobStore => {
      const store = redisStore({ url, report, commandTimeoutMs });
      stores.push(store);
      return store;
    },
    errors: () => reports.map(({ error }) => String(error)),
    watchersOf: async (promptId: string) => {
      const [, count] = (await shared.admin.call('PUBSUB', 'SHARDNUMSUB', feedChannel(promptId))) as [string, number];
      return count;
    },
  };
}
