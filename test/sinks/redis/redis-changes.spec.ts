import { Redis } from 'ioredis';
import { from, lastValueFrom, NEVER, noop } from 'rxjs';
import { feedChannel, redisFeed } from '../../../sinks/redis/feed/redis-feed';
import { redisListener } from '../../../sinks/redis/connection/listener';
import { tcpProxy } from '../../support/network/tcp-proxy';
import { aState } from '../a-state';
import { until } from '../../support/until';
import { healthy, KEY, openedStores, put } from '../../support/redis/opened-stores';

const { open, watchersOf, shared, report, errors } = openedStores();

describe('changes', () => {
  it('hear what any instance stores', async () => {
    const [here, there] = [open(), open()];
    const seen: number[] = [];
    const watching = here.changes('job-1').subscribe(({ seq }) => seen.push(seq));
    await until(async () => (await watchersOf('job-1')) === 1);
    await put(there, { seq: 7 });
    await until(() => seen.length === 1);
    expect(seen).toEqual([7]);
    watching.unsubscribe();
  });

  it('subscribe once for all who watch a job, and no longer than they do', async () => {
    const store = open();
    const [first, second] = [store.changes('job-1').subscribe(), store.changes('job-1').subscribe()];
    await until(async () => (await watchersOf('job-1')) === 1);
    first.unsubscribe();
    const seen: number[] = [];
    second.add(store.changes('job-1').subscribe(({ seq }) => seen.push(seq)));
    await put(store, { seq: 3 });
    await until(() => seen.length === 1);
    second.unsubscribe();
    await until(async () => (await watchersOf('job-1')) === 0);
  });

  it('[R12] go on after Redis was killed, with what was stored meanwhile', async () => {
    const proxy = await tcpProxy(shared.server.url.replace('redis:', 'http:'));
    const store = open(proxy.url.replace('http:', 'redis:'));
    const seen: number[] = [];
    const watching = store.changes('job-1').subscribe(({ seq }) => seen.push(seq));
    await until(async () => (await watchersOf('job-1')) === 1);
    await put(store, { seq: 1 });
    await until(() => seen.length === 1);
    proxy.refuse();
    await shared.server.kill();
    await shared.server.start();
    await until(async () => (await shared.admin.set(KEY, JSON.stringify(aState({ seq: 2 }))).catch(() => '')) === 'OK');
    // The store is back only now.
    proxy.accept();
    await until(() => seen.includes(2));
    await until(() => healthy(store));
    await put(store, { seq: 3 });
    await until(() => seen.includes(3));
    expect(seen).toEqual([1, 2, 3]);
    watching.unsubscribe();
    await proxy.close();
  });

  it('are published once, also where a write is repeated or refused', async () => {
    const listener = new Redis(shared.server.url);
    const heard: string[] = [];
    listener.on('smessage', (_channel: string, message: string) => heard.push(message));
    await listener.ssubscribe(feedChannel('job-1'));
    const store = open();
    for (const seq of [2, 2, 1, 3]) await put(store, { seq });
    await until(() => heard.length >= 2);
    expect(heard).toEqual([2, 3].map((seq) => JSON.stringify(aState({ seq }))));
    await listener.quit();
  });

  it('find a half-open link out, and hear what was stored meanwhile', async () => {
    const proxy = await tcpProxy(shared.server.url.replace('redis:', 'http:'));
    const store = open();
    const nodes = { homeOf: () => proxy.url.replace('http:', 'redis:'), moved$: NEVER, lookAround: noop };
    const listener = redisListener(nodes, report, 50);
    const feed = redisFeed(listener, (key) => from(shared.admin.get(key)), report);
    const seen: number[] = [];
    const watching = feed.changes('job-1').subscribe(({ seq }) => seen.push(seq));
    await until(async () => (await watchersOf('job-1')) === 1);
    proxy.pause();
    await put(store, { seq: 1 });
    await until(() => errors().some((error) => error.includes('Socket timeout')));
    proxy.reset();
    proxy.resume();
    await until(() => seen.length === 1);
    expect(seen).toEqual([1]);
    watching.unsubscribe();
    await lastValueFrom(listener.close(), { defaultValue: undefined });
    await proxy.close();
  });
});
