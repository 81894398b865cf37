import { lastValueFrom } from 'rxjs';
import type { JobStore } from '../../../../sinks/job-store';
import type { SessionKey } from '../../../../sinks/leases';
import { SESSIONS_KEY } from '../../../../sinks/redis/leases/session-registry';
import { redisStore } from '../../../../sinks/redis/redis-store';
import { sharedRedis } from '../../../support/redis/shared-redis';
import { PATIENCE_MS } from '../../../support/until';

export const TTL_MS = 60_000;
export const HELD = { instance: 'another' };
export const session: SessionKey = { clientId: 'client-1', serverUrl: 'http://comfy:8188' };

type Opened = JobStore['leases'];

export const close = (store: JobStore) => lastValueFrom(store.close(), { defaultValue: undefined });
export const hold = (leases: Opened, key = session) => lastValueFrom(leases.hold(key));
export const release = (leases: Opened, forget = false) =>
  lastValueFrom(leases.release(session, forget), { defaultValue: undefined });
export const orphans = (leases: Opened) => lastValueFrom(leases.orphans());

/** Leases of stores on one Redis, which are closed after each test, and what they report. */
export function leasesOnRedis() {
  const shared = sharedRedis();
  const stores: JobStore[] = [];
  const reports: unknown[] = [];

  beforeEach(() => {
    stores.length = 0;
    reports.length = 0;
  });
  afterEach(() => Promise.all(stores.map(close)));

  return {
    shared,
    stores,
    reports,
    open: (leaseTtlMs = TTL_MS): Opened => {
      const store = redisStore({
        url: shared.server.url,
        report: (_where, error) => reports.push(error),
        leaseTtlMs,
        commandTimeoutMs: PATIENCE_MS,
      });
      stores.push(store);
      return store.leases;
    },
    register: ({ clientId, serverUrl }: SessionKey) =>
      shared.admin.hset(SESSIONS_KEY, clientId, JSON.stringify({ serverUrl })),
    listenersTo: async (channel: string) => {
      const [, count] = (await shared.admin.call('PUBSUB', 'SHARDNUMSUB', channel)) as [string, number];
      return count;
    },
    messages: () => reports.map((error) => String(error)),
  };
}
