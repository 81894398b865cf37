import { StoreUnavailable, UnsuitableStore } from '../../../sinks/job-store';
import { assertSuitable, warningsOf } from '../../../sinks/redis/redis-preflight';
import { adminOf, endTroubles, open, preflight, start } from '../../support/redis/troubled-redis';

afterEach(endTroubles);

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
