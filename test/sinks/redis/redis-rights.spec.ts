import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { UnsuitableStore, type JobStore } from '../../../sinks/job-store';
import { RIGHTS } from '../../../sinks/redis/redis-rights';
import { redisStore } from '../../../sinks/redis/redis-store';
import type { JobState } from '../../../streams/job/job-state';
import { sharedRedis } from '../../support/redis/shared-redis';
import { aState } from '../a-state';
import { PATIENCE_MS, until } from '../../support/until';

const shared = sharedRedis();
let stores: JobStore[] = [];

afterEach(async () => {
  await Promise.all(stores.map((store) => lastValueFrom(store.close(), { defaultValue: undefined })));
  stores = [];
});

/** A store whose Redis user has these rights and no others. */
async function storeWith(rights: string): Promise<JobStore> {
  await shared.admin.call('ACL', 'SETUSER', 'app', 'reset', 'on', '>secret', ...rights.split(' '));
  const store = redisStore({
    url: shared.server.url.replace('redis://', 'redis://app:secret@'),
    report: () => undefined,
    commandTimeoutMs: PATIENCE_MS,
  });
  stores.push(store);
  return store;
}
const preflight = (store: JobStore) => lastValueFrom(store.preflight());
const healthy = (store: JobStore) => firstValueFrom(store.healthy());

test('a user with the rights that the documentation names can do everything', async () => {
  const store = await storeWith(RIGHTS);
  expect((await preflight(store)).filter((warning) => warning.includes('user'))).toEqual([]);
  expect(await healthy(store)).toBe(true);
  expect(await lastValueFrom(store.put(aState()))).toBe('stored');
  expect((await lastValueFrom(store.page({ limit: 1 }))).jobs).toHaveLength(1);
  expect(await shared.admin.keys('*probe*')).toEqual([]);
});

test.each([
  ['scripts', '~* &* +@all -@scripting', 'evalsha'],
  ['keys beside those of the application', '~comfyui:* &* +@all', '{comfyui:job:*}:probe'],
  ['keys of its own', '~comfyui:* ~{comfyui:job:*}:* &* +@all', 'jobstream:*'],
  ['writes', '~* &* +@read +@connection +@pubsub +info +scan +time +@scripting', '(SET)'],
  ['one command of a script', '~* &* +@all -zadd', '(ZADD)'],
  ['one command', '~* &* +@all -scan', 'scan'],
])(
  'a user without %s is refused at the start, which names what is missing, and is not ready',
  async (_what, rights, named) => {
    const store = await storeWith(rights);
    await expect(preflight(store)).rejects.toThrow(UnsuitableStore);
    await expect(preflight(store)).rejects.toThrow(named);
    await expect(preflight(store)).rejects.toThrow(`ACL SETUSER <user> ${RIGHTS}`);
    if (!rights.includes('-scan') && !rights.startsWith('~comfyui:* ~{')) expect(await healthy(store)).toBe(false);
  },
);

const LUA = join(__dirname, '../../../sinks/redis/scripts');
const scripts = readdirSync(LUA, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.lua'));
const text = (name: string): string => readFileSync(join(LUA, name), 'utf8');
const inScripts = new Set(
  scripts.flatMap((name) => [...text(name).matchAll(/(?:call|looked)\('(\w+)'/g)].map((m) => m[1]!)),
);
inScripts.delete('SPUBLISH');

test.each([...inScripts, 'ping', 'mget', 'hgetall', 'hmget', 'zrange'])(
  'a user without %s alone is refused at the start',
  async (command) => {
    const store = await storeWith(`~* &* +@all -${command}`);
    await expect(preflight(store)).rejects.toThrow(new RegExp(`user may not do what is needed: .*${command}`, 'i'));
  },
);

test.each(['spublish', 'ssubscribe', 'sunsubscribe'])('a user without %s alone is warned', async (command) => {
  const warnings = await preflight(await storeWith(`~* &* +@all -${command}`));
  expect(warnings.filter((warning) => warning.includes('may not use channels'))).toHaveLength(1);
});

test('a user without channels is warned, and who watches elsewhere hears of every job by asking', async () => {
  const store = await storeWith('~* +@all');
  const warnings = await preflight(store);
  expect(warnings.filter((warning) => warning.includes('may not use channels'))).toHaveLength(1);
  expect(await healthy(store)).toBe(true);
  const heard: JobState[] = [];
  const watching = store.changes('job-1').subscribe((state) => heard.push(state));
  const other = await storeWith('~* +@all');
  expect(await lastValueFrom(other.put(aState({ seq: 1 })))).toBe('stored');
  await until(() => heard.some(({ seq }) => seq === 1));
  expect(await lastValueFrom(other.put(aState({ seq: 2, status: 'completed' })))).toBe('stored');
  await until(() => heard.some(({ status }) => status === 'completed'));
  watching.unsubscribe();
});
