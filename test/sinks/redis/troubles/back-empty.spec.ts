import { lastValueFrom } from 'rxjs';
import { writeBehind } from '../../../../sinks/writing/queued-writes';
import { aState } from '../../a-state';
import { PATIENCE_MS, until } from '../../../support/until';
import { adminOf, endTroubles, get, open, start } from '../../../support/redis/troubled-redis';

afterEach(endTroubles);

describe('[R12] a Redis that comes back empty', () => {
  it('gets what is newest, and lends sessions again', async () => {
    const server = await start();
    const store = open(server.url);
    const writer = writeBehind(store, { report: () => undefined });
    const session = { clientId: 'client-1', serverUrl: 'http://comfy:8188' };
    for (let job = 0; job < 50; job++) writer.put(aState({ promptId: `job-${job}`, seq: 1 }));
    await lastValueFrom(writer.drain(PATIENCE_MS), { defaultValue: undefined });
    await lastValueFrom(store.leases.hold(session));
    await server.kill();
    for (let job = 0; job < 50; job++) writer.put(aState({ promptId: `job-${job}`, seq: 2 }));
    await server.start();
    await lastValueFrom(writer.drain(PATIENCE_MS), { defaultValue: undefined });
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
