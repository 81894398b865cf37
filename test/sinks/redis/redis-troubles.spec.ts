import { Redis } from 'ioredis';
import { lastValueFrom, NEVER } from 'rxjs';
import { StoreUnavailable, UnsuitableStore, type JobStore } from '../../../sinks/job-store';
import { assertSuitable, warningsOf } from '../../../sinks/redis/redis-preflight';
import { redisListener } from '../../../sinks/redis/connection/listener';
import { redisStore } from '../../../sinks/redis/redis-store';
import { writeBehind } from '../../../sinks/writing/queued-writes';
import type { JobState } from '../../../streams/job/job-state';
import { startRedis, type RedisServer } from '../../support/redis/redis-server';
import { tcpProxy } from '../../support/network/tcp-proxy';
import { aState } from '../a-state';
import { until } from '../../support/until';

let servers: RedisServer[] = [];
let stores: JobStore[] = [];
let admins: Redis[] = [];
let reports: string[] = [];

afterEach(async () => {
  await Promise.all(stores.map((store) => lastValueFrom(store.close(), { defaultValue: undefined })));
  admins.forEach((admin) => admin.disconnect());
  await Promise.all(servers.map((server) => server.stop()));
  [servers, stores, admins, reports] = [[], [], [], []];
});

async function start(...args: readonly string[]): Promise<RedisServer> {
  const server = await startRedis({ args });
  servers.push(server);
  return server;
}

function open(url: string): JobStore {
  const store = redisStore({ url, report: (where, error) => reports.push(`${where}: ${String(error)}`) });
  stores.push(store);
  return store;
}

function adminOf({ url }: RedisServer): Redis {
  const admin = new Redis(url);
  admin.on('error', () => 'as wanted');
  admins.push(admin);
  return admin;
}

const put = (store: JobStore, own: Partial<JobState> = {}) => lastValueFrom(store.put(aState(own)));
const get = (store: JobStore, promptId = 'job-1') => lastValueFrom(store.get(promptId));
const preflight = (store: JobStore) => lastValueFrom(store.preflight());
const failureOf = (use: Promise<unknown>) => use.then(() => 'none', String);

describe('preflight', () => {
  it('has nothing to say where all is well', async () => {
    const server = await start('--appendonly', 'yes');
    expect(await preflight(open(server.url))).toEqual([]);
  });

  it('takes snapshots for persistence', async () => {
    const server = await start('--save', '60 1');
    expect(await preflight(open(server.url))).toEqual([]);
  });

  it('names each setting that endangers jobs, and what to set', async () => {
    const server = await start('--maxmemory-policy', 'volatile-lru', '--maxmemory', '100mb');
    expect(await preflight(open(server.url))).toEqual([
      'maxmemory-policy is volatile-lru: jobs vanish when the memory is full; set maxmemory-policy noeviction',
      'appendonly is no and save is empty: all jobs are lost when Redis ends; set appendonly yes',
    ]);
  });

  it.each([
    [300_000, /300 s ahead of that of Redis.*too early/],
    [-300_000, /300 s behind that of Redis.*too late/],
  ])('finds a clock out that is %d ms from that of Redis', async (aheadMs, named) => {
    const server = await start('--appendonly', 'yes');
    const now = Date.now;
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => now() + aheadMs);
    const said = await preflight(open(server.url));
    clock.mockRestore();
    expect(said).toEqual([expect.stringMatching(named)]);
  });

  it('finds a replica out', async () => {
    const [master, replica] = [await start('--appendonly', 'yes'), await start('--appendonly', 'yes')];
    await adminOf(replica).replicaof('127.0.0.1', master.port);
    expect(await preflight(open(replica.url))).toEqual([
      'this Redis is a replica (replicaof is set) and takes no writes; name its master',
    ]);
  });

  it('is an error where there is no sharded pub/sub', async () => {
    const server = await start('--rename-command', 'SPUBLISH', '');
    await expect(preflight(open(server.url))).rejects.toThrow(UnsuitableStore);
    await expect(preflight(open(server.url))).rejects.toThrow(/SPUBLISH.*7\.0 or newer/);
  });

  it('is an error where a cluster is taken for one node', async () => {
    const server = await start('--cluster-enabled', 'yes');
    await expect(preflight(open(server.url))).rejects.toThrow(/\?cluster=1/);
  });

  it('is StoreUnavailable while nobody answers', async () => {
    const server = await start();
    const store = open(server.url);
    await server.kill();
    await expect(preflight(store)).rejects.toThrow(StoreUnavailable);
  });

  it('says what it could not check', async () => {
    const warned = jest.spyOn(console, 'warn').mockImplementation(() => undefined); // ioredis, of INFO
    const server = await start('--rename-command', 'CONFIG', '');
    expect(await preflight(open(server.url))).toEqual([
      expect.stringMatching(/save.*could not be checked.*appendonly yes/),
    ]);
    const admin = adminOf(server);
    await admin.acl('SETUSER', 'shy', 'on', '>pass', '~*', '&*', '+@all', '-info', '-config', '-command');
    const shy = server.url.replace('//', '//shy:pass@');
    expect(await preflight(open(shy))).toEqual([expect.stringMatching(/INFO is not allowed.*\+info/)]);
    warned.mockRestore();
  });

  it('takes what other servers say', () => {
    const said = (fields: Record<string, string>) => ({ info: new Map(Object.entries(fields)), save: '3600 1' });
    const modern = { redis_version: '7.2.4', maxmemory_policy: 'noeviction', aof_enabled: '0', role: 'master' };
    expect(() => assertSuitable(said(modern), false)).not.toThrow();
    expect(warningsOf(said(modern))).toEqual([]);
    for (const redis_version of ['6.2.14', '5.0.0', '2.8.19']) {
      expect(() => assertSuitable(said({ ...modern, redis_version }), false)).toThrow(/is version .*7\.0 or newer/);
    }
    expect(() => assertSuitable(said({ ...modern, cluster_enabled: '1' }), true)).not.toThrow();
  });
});

describe('[R12] a Redis that takes no writes', () => {
  it('because it became a replica: StoreUnavailable, until it is a master again', async () => {
    const [master, server] = [await start('--repl-diskless-sync-delay', '0'), await start()];
    const admin = adminOf(server);
    const store = open(server.url);
    await put(store, { seq: 1 });
    await admin.replicaof('127.0.0.1', master.port);
    await until(async () => (await admin.info('replication')).includes('master_link_status:up'));
    const failure = await failureOf(put(store, { seq: 2 }));
    expect(failure).toMatch(/^StoreUnavailable: Redis: .*READONLY/);
    await admin.replicaof('NO', 'ONE');
    await until(async () => (await failureOf(put(store, { seq: 3 }))) === 'none');
    expect(await get(store)).toMatchObject({ seq: 3 });
  });

  it('because it is full: StoreUnavailable, and what waits is written once there is room', async () => {
    const server = await start();
    const admin = adminOf(server);
    const store = open(server.url);
    const writer = writeBehind(store, { report: () => undefined });
    await put(store, { seq: 1 });
    await admin.config('SET', 'maxmemory', '1');
    expect(await failureOf(put(store, { seq: 2 }))).toMatch(/^StoreUnavailable: Redis: .*OOM/);
    expect(await get(store)).toMatchObject({ seq: 1 });
    for (let job = 0; job < 100; job++) writer.put(aState({ promptId: `job-${job}`, seq: 3 }));
    await until(() => writer.pending() === 100);
    await admin.config('SET', 'maxmemory', '0');
    await lastValueFrom(writer.drain(8000), { defaultValue: undefined });
    for (let job = 0; job < 100; job++) expect(await get(store, `job-${job}`)).toMatchObject({ seq: 3 });
    writer.close();
  });
});

describe('[R12] a link that is half open', () => {
  it('fails commands in time, and is replaced', async () => {
    const server = await start();
    const proxy = await tcpProxy(server.url.replace('redis:', 'http:'));
    const store = open(proxy.url.replace('http:', 'redis:'));
    await put(store, { seq: 1 });
    const heard: unknown[] = [];
    const listening = store.leases.released$.subscribe((by) => heard.push(by));
    proxy.pause();
    expect(await failureOf(put(store, { seq: 2 }))).toMatch(/^StoreUnavailable: Redis: .*timed out/);
    await until(() => reports.some((text) => text.includes('Socket timeout')));
    proxy.reset(); // what the old link held back is not to be let go
    proxy.resume();
    await until(async () => (await failureOf(put(store, { seq: 3 }))) === 'none');
    expect(await get(store)).toMatchObject({ seq: 3 });
    listening.unsubscribe();
    await lastValueFrom(store.close(), { defaultValue: undefined });
    await proxy.close();
  });
});

describe('[R12] a slow link', () => {
  it('takes a file that needs longer than a command may, and passes on all else meanwhile', async () => {
    const server = await start();
    const proxy = await tcpProxy(server.url.replace('redis:', 'http:'));
    const store = open(proxy.url.replace('http:', 'redis:'));
    await put(store, { seq: 1 });
    proxy.slow(0, 4 << 20);
    const bytes = new Uint8Array(16 << 20);
    const upload = { isOver: false };
    const kept = lastValueFrom(store.keepFile('job-1', 'a.png', { mimeType: 'image/png', bytes }), {
      defaultValue: undefined,
    }).finally(() => (upload.isOver = true));
    let held = 0;
    while (!upload.isOver) {
      expect(await lastValueFrom(store.leases.hold({ clientId: 'c', serverUrl: 's' }))).toBe('held');
      held += 1;
    }
    await kept;
    expect(held).toBeGreaterThan(10);
    expect(await adminOf(server).hstrlen('{comfyui:job:job-1}:files', 'ba.png')).toBe(bytes.length);
    await lastValueFrom(store.close(), { defaultValue: undefined });
    await proxy.close();
  });

  it('that takes too long all the same is cut, and used again', async () => {
    const server = await start();
    const proxy = await tcpProxy(server.url.replace('redis:', 'http:'));
    const store = open(proxy.url.replace('http:', 'redis:'));
    await put(store, { seq: 1 });
    const keep = () =>
      lastValueFrom(store.keepFile('job-1', 'a.png', { mimeType: 'image/png', bytes: new Uint8Array(1_000) }), {
        defaultValue: 'kept',
      });
    expect(await keep()).toBe('kept');
    proxy.pause();
    expect(await failureOf(keep())).toMatch(/^StoreUnavailable: Redis: .*timed out/);
    proxy.reset();
    proxy.resume();
    await until(async () => (await failureOf(keep())) === 'none');
    await lastValueFrom(store.close(), { defaultValue: undefined });
    await proxy.close();
  });
});

describe('[R12] a frozen Redis', () => {
  it('is waited for by what is to be written, and by nobody else', async () => {
    const server = await start();
    const store = open(server.url);
    const writer = writeBehind(store, { report: () => undefined });
    writer.put(aState({ seq: 1 }));
    await lastValueFrom(writer.drain(5000), { defaultValue: undefined });
    server.pause();
    for (let seq = 2; seq <= 40; seq++) {
      for (let job = 0; job < 200; job++) writer.put(aState({ promptId: `job-${job}`, seq }));
      expect(await lastValueFrom(writer.get('job-1'))).toMatchObject({ seq });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(writer.pending()).toBe(200);
    server.resume();
    await lastValueFrom(writer.drain(10_000), { defaultValue: undefined });
    for (let job = 0; job < 200; job++) expect(await get(store, `job-${job}`)).toMatchObject({ seq: 40 });
    writer.close();
  });
});

describe('[R12] a Redis that comes back empty', () => {
  it('gets what is newest, and lends sessions again', async () => {
    const server = await start();
    const store = open(server.url);
    const writer = writeBehind(store, { report: () => undefined });
    const session = { clientId: 'client-1', serverUrl: 'http://comfy:8188' };
    for (let job = 0; job < 50; job++) writer.put(aState({ promptId: `job-${job}`, seq: 1 }));
    await lastValueFrom(writer.drain(5000), { defaultValue: undefined });
    await lastValueFrom(store.leases.hold(session));
    await server.kill();
    for (let job = 0; job < 50; job++) writer.put(aState({ promptId: `job-${job}`, seq: 2 }));
    await server.start();
    await lastValueFrom(writer.drain(10_000), { defaultValue: undefined });
    expect(await lastValueFrom(store.leases.hold(session))).toBe('held');
    for (let job = 0; job < 50; job++) expect(await get(store, `job-${job}`)).toMatchObject({ seq: 2 });
    writer.close();
  });

  it('may have lost what it had: so it is told where its connection is made anew, and where a lease is gone', async () => {
    const server = await start();
    const store = open(server.url);
    let signs = 0;
    store.mayHaveLost$.subscribe(() => (signs += 1));
    const session = { clientId: 'client-1', serverUrl: 'http://comfy:8188' };
    const hold = () => lastValueFrom(store.leases.hold(session));
    await hold();
    await hold();
    await lastValueFrom(store.leases.release(session), { defaultValue: undefined });
    await hold();
    expect(signs).toBe(0);
    await adminOf(server).flushall();
    await hold();
    await hold();
    expect(signs).toBe(1);
    await server.kill();
    await server.start();
    await until(() => signs > 1);
  });
});

describe('who may not', () => {
  const SECRET = 'hush-hush';

  it.each([
    ['with a wrong password', 'redis://:hush-hush@', 'WRONGPASS'],
    ['without a password', 'redis://', 'NOAUTH'],
    ['as nobody known', 'redis://nobody:hush-hush@', 'WRONGPASS'],
  ])('%s is told why, and no secret', async (_name, prefix, why) => {
    const server = await start('--requirepass', 'another');
    const store = open(server.url.replace('redis://', prefix));
    await until(() => reports.length > 0);
    for (const use of [put(store), get(store), lastValueFrom(store.leases.orphans())]) {
      expect(await failureOf(use)).toMatch(new RegExp(`^StoreUnavailable: Redis: ${why}`));
    }
    expect(await failureOf(preflight(store))).toMatch(new RegExp(`^UnsuitableStore: Redis .*\\(${why}\\)$`));
    expect(reports.join()).toContain(why);
    expect(reports.join()).not.toContain(SECRET);
  });

  it.each([
    ['run scripts', ['~*', '&*', '+@all', '-evalsha', '-eval'], /NOPERM.*eval/],
    ['use our keys', ['~other:*', '&*', '+@all'], /NOPERM.*keys?/],
  ])('%s is told why, and no secret', async (_name, rules, why) => {
    const server = await start();
    await adminOf(server).acl('SETUSER', 'shy', 'on', `>${SECRET}`, ...rules);
    const store = open(server.url.replace('//', `//shy:${SECRET}@`));
    const failure = await failureOf(put(store));
    expect(failure).toMatch(/^StoreUnavailable: Redis: /);
    expect(failure).toMatch(why);
    expect([failure, ...reports].join()).not.toContain(SECRET);
  });

  it('[R11] read any more writes over no newer state, and takes no session that another holds', async () => {
    const server = await start();
    const admin = adminOf(server);
    await admin.acl('SETUSER', 'shy', 'on', `>${SECRET}`, '~*', '&*', '+@all');
    const session = { clientId: 'client-1', serverUrl: 'http://comfy:8188' };
    const [store, other] = [open(server.url.replace('//', `//shy:${SECRET}@`)), open(server.url)];
    await put(other, { seq: 2 });
    expect(await lastValueFrom(other.leases.hold(session))).toBe('held');
    await put(store, { promptId: 'job-2' });
    await admin.acl('SETUSER', 'shy', '-get', '-hget');
    const uses = [
      put(store, { seq: 1 }),
      lastValueFrom(store.leases.orphans()),
      lastValueFrom(store.leases.hold(session)),
    ];
    for (const use of uses) expect(await failureOf(use)).toMatch(/^StoreUnavailable: Redis: /);
    await admin.acl('SETUSER', 'shy', '+@all');
    expect(await get(store)).toMatchObject({ seq: 2 });
    expect(await lastValueFrom(store.leases.orphans())).toMatchObject({ sessions: [] });
    expect(await lastValueFrom(store.leases.hold(session))).toBe('taken');
  });

  it('listen is told why', async () => {
    const server = await start();
    await adminOf(server).acl('SETUSER', 'shy', 'on', `>${SECRET}`, '~*', 'resetchannels', '+@all');
    const store = open(server.url.replace('//', `//shy:${SECRET}@`));
    const watching = store.changes('job-1').subscribe();
    await until(() => reports.some((text) => /^redis listener: .*NOPERM.*channel/.test(text)));
    watching.unsubscribe();
  });
});

describe('[R12] a Redis that is busy with a script', () => {
  it('does not keep who began to listen meanwhile from ever hearing', async () => {
    const server = await start('--busy-reply-threshold', '100');
    const nodes = { homeOf: () => server.url, moved$: NEVER, lookAround: () => undefined };
    const told: string[] = [];
    const listener = redisListener(nodes, (where, error) => told.push(`${where}: ${String(error)}`), 200);
    const [before, meanwhile]: [unknown[], unknown[]] = [[], []];
    const listening = listener.listen('{a}:before').subscribe((message) => before.push(message));
    await until(() => before.length === 1);
    const [admin, other] = [adminOf(server), adminOf(server)];
    await Promise.all([admin.ping(), other.ping()]);
    const over = expect(other.eval('while true do end', 0)).rejects.toThrow(/killed by user/i);
    await until(async () => (await failureOf(admin.ping())).includes('BUSY'));
    listening.add(listener.listen('{a}:meanwhile').subscribe((message) => meanwhile.push(message)));
    listening.add(listener.listen('{a}:as-well').subscribe());
    await until(() => told.length > 0);
    await admin.call('SCRIPT', 'KILL');
    await over;
    await until(() => meanwhile.length > 0);
    await admin.spublish('{a}:meanwhile', 'news');
    await until(() => meanwhile.at(-1) === 'news');
    expect(told).toEqual([expect.stringMatching(/^redis listener: Error: BUSY/)]);
    listening.unsubscribe();
    await lastValueFrom(listener.close(), { defaultValue: undefined });
  });
});
