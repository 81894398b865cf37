import { lastValueFrom } from 'rxjs';
import { tcpProxy } from '../../../support/network/tcp-proxy';
import { until } from '../../../support/until';
import { adminOf, endTroubles, failureOf, get, open, put, reports, start } from '../../../support/redis/troubled-redis';

afterEach(endTroubles);

describe('[R12] a link that is half open', () => {
  it('fails commands in time, and is replaced', async () => {
    const server = await start();
    const proxy = await tcpProxy(server.url.replace('redis:', 'http:'));
    const store = open(proxy.url.replace('http:', 'redis:'));
    await until(async () => (await failureOf(put(store, { seq: 1 }))) === 'none');
    const heard: unknown[] = [];
    const listening = store.leases.released$.subscribe((by) => heard.push(by));
    proxy.pause();
    expect(await failureOf(put(store, { seq: 2 }))).toMatch(/^StoreUnavailable: Redis: .*timed out/);
    await until(() => reports.some((text) => text.includes('Socket timeout')));
    proxy.reset(); // what the old link held back is not to be let go
    proxy.resume();
    await until(async () => (await failureOf(put(store, { seq: 3 }))) === 'none');
    await until(async () => (await get(store).catch(() => undefined))?.seq === 3);
    listening.unsubscribe();
    await lastValueFrom(store.close(), { defaultValue: undefined });
    await proxy.close();
  });
});

describe('[R12] a slow link', () => {
  it('takes a file that needs longer than a command may, and passes on all else meanwhile', async () => {
    const server = await start();
    const proxy = await tcpProxy(server.url.replace('redis:', 'http:'));
    // Six seconds a command, as a busy machine may need more than two; eight for the file.
    const store = open(proxy.url.replace('http:', 'redis:'), { commandTimeoutMs: 6_000 });
    await until(async () => (await failureOf(put(store, { seq: 1 }))) === 'none');
    proxy.slow(0, 2 << 20);
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
    await until(async () => (await failureOf(put(store, { seq: 1 }))) === 'none');
    const keep = () =>
      lastValueFrom(store.keepFile('job-1', 'a.png', { mimeType: 'image/png', bytes: new Uint8Array(1_000) }), {
        defaultValue: 'kept',
      });
    await until(async () => (await failureOf(keep())) === 'none');
    proxy.pause();
    expect(await failureOf(keep())).toMatch(/^StoreUnavailable: Redis: .*timed out/);
    proxy.reset();
    proxy.resume();
    await until(async () => (await failureOf(keep())) === 'none');
    await lastValueFrom(store.close(), { defaultValue: undefined });
    await proxy.close();
  });
});
