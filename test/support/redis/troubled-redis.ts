import { Redis } from 'ioredis';
import { lastValueFrom } from 'rxjs';
import type { JobStore } from '../../../sinks/job-store';
import { redisStore, type RedisStoreOptions } from '../../../sinks/redis/redis-store';
import type { JobState } from '../../../streams/job/job-state';
import { startRedis, type RedisServer } from './redis-server';
import { aState } from '../../sinks/a-state';
import { until } from '../until';

let servers: RedisServer[] = [];
let stores: JobStore[] = [];
let admins: Redis[] = [];
export let reports: string[] = [];

/** Closes the stores, and ends the servers. */
export const endTroubles = async () => {
  await Promise.all(stores.map((store) => lastValueFrom(store.close(), { defaultValue: undefined })));
  admins.forEach((admin) => admin.disconnect());
  await Promise.all(servers.map((server) => server.stop()));
  [servers, stores, admins, reports] = [[], [], [], []];
};

/** A Redis of the test’s own. */
export async function start(...args: readonly string[]): Promise<RedisServer> {
  const server = await startRedis({ args });
  servers.push(server);
  return server;
}

export function open(url: string, more: Partial<RedisStoreOptions> = {}): JobStore {
  const store = redisStore({ url, report: (where, error) => reports.push(`${where}: ${String(error)}`), ...more });
  stores.push(store);
  return store;
}

/** A connection that looks past all stores. */
export function adminOf({ url }: RedisServer): Redis {
  const admin = new Redis(url);
  admin.on('error', () => 'as wanted');
  admins.push(admin);
  return admin;
}

export const put = (store: JobStore, own: Partial<JobState> = {}) => lastValueFrom(store.put(aState(own)));
export const get = (store: JobStore, promptId = 'job-1') => lastValueFrom(store.get(promptId));
/** Resolves once the store answers. */
export const healthyStore = (store: JobStore) => until(() => lastValueFrom(store.healthy()));
export const preflight = (store: JobStore) => lastValueFrom(store.preflight());
export const failureOf = (use: Promise<unknown>) => use.then(() => 'none', String);
