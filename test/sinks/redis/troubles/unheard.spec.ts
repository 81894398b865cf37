import { lastValueFrom } from 'rxjs';
import { StoreUnavailable } from '../../../../sinks/job-store';
import { writeBehind } from '../../../../sinks/writing/queued-writes';
import { aState } from '../../a-state';
import { deafLink } from '../../../support/network/deaf-link';
import { until } from '../../../support/until';
import { adminOf, endTroubles, get, healthyStore, open, put, start } from '../../../support/redis/troubled-redis';

afterEach(endTroubles);

const failure = (use: Promise<unknown>) => use.catch((error: unknown) => error);

describe('[R12] a write that fails', () => {
  it('may be done where its answer was lost, and is not where it was refused, or never sent', async () => {
    const server = await start();
    const link = await deafLink(server.port);
    const store = open(`redis://127.0.0.1:${link.port}`);
    await healthyStore(store);
    await adminOf(server).config('SET', 'maxmemory', '1');
    expect(await failure(put(store))).toMatchObject({ name: 'StoreUnavailable', maybeDone: false });
    await adminOf(server).config('SET', 'maxmemory', '0');
    link.cutAfter('"status":"queued"');
    expect(await failure(put(store, { status: 'queued' }))).toMatchObject({ maybeDone: true });
    expect(await failure(put(store, { status: 'queued' }))).toMatchObject({ maybeDone: false });
    await until(async () => (await get(open(server.url))) !== undefined);
    await link.close();
  });

  it('tells since when the job may be stored, until it is', async () => {
    const server = await start();
    const link = await deafLink(server.port);
    const store = open(`redis://127.0.0.1:${link.port}`);
    await healthyStore(store);
    const writer = writeBehind(store, { report: () => undefined });
    const [state, workflow] = [aState({ status: 'queued' }), { tag: 'unposted', prompt: { workflow: '{}' } } as const];
    link.cutAfter('"status":"queued"');
    expect(await failure(lastValueFrom(writer.write(state, workflow)))).toBeInstanceOf(StoreUnavailable);
    await until(() => writer.maybeStoredMs(state.promptId) > 0);
    const seen = writer.maybeStoredMs(state.promptId);
    expect(await failure(lastValueFrom(writer.write(state)))).toBeInstanceOf(StoreUnavailable);
    expect(writer.maybeStoredMs(state.promptId)).toBeGreaterThanOrEqual(seen);
    link.mend();
    await healthyStore(store);
    expect(await lastValueFrom(writer.write(state))).toBe('stored');
    expect(writer.maybeStoredMs(state.promptId)).toBe(Infinity);
    writer.close();
    await link.close();
  });

  it('was not sent: the job is not stored at all', async () => {
    const server = await start();
    const store = open(server.url);
    await healthyStore(store);
    const writer = writeBehind(store, { report: () => undefined });
    const state = aState();
    await server.kill();
    await until(async () => !(await lastValueFrom(store.healthy())));
    await failure(lastValueFrom(writer.write(state, { tag: 'unposted', prompt: { workflow: '{}' } })));
    expect(writer.maybeStoredMs(state.promptId)).toBe(0);
    writer.close();
  });
});
