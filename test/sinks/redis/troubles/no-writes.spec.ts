import { lastValueFrom } from 'rxjs';
import { writeBehind } from '../../../../sinks/writing/queued-writes';
import { aState } from '../../a-state';
import { PATIENCE_MS, until } from '../../../support/until';
import { adminOf, endTroubles, failureOf, get, open, put, start } from '../../../support/redis/troubled-redis';

afterEach(endTroubles);

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
    await lastValueFrom(writer.drain(PATIENCE_MS), { defaultValue: undefined });
    for (let job = 0; job < 100; job++) expect(await get(store, `job-${job}`)).toMatchObject({ seq: 3 });
    writer.close();
  });
});
