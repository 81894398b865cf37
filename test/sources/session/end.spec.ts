import { asyncScheduler, type SchedulerLike, type Subscription } from 'rxjs';
import { start, submit, until } from '../../support/comfyui/client/comfyui-client';
import { fields, linked, listen, long, progress, proxied, stopListening } from './listening';

afterEach(stopListening);

/** Real time, and how many of its timers are waiting. */
function countingClock(): SchedulerLike & { waiting(): number } {
  const timers = new Set<Subscription>();
  const schedule = (...timing: Parameters<SchedulerLike['schedule']>): Subscription => {
    const timer = asyncScheduler.schedule(...timing);
    timers.add(timer);
    return timer;
  };
  return {
    now: () => asyncScheduler.now(),
    schedule,
    waiting: () => [...timers].filter(({ closed }) => !closed).length,
  };
}

describe('its end', () => {
  test('stop completes it once the handshake is over', async () => {
    const server = await start();
    const socket = await linked(listen(server.url));
    socket.stop$.next();
    expect(socket.end()).toBeUndefined();
    expect(await socket.ended()).toBe('completed');
    expect(socket.of('unlinked')).toMatchObject([{ clean: true }]);
    await until(() => server.sockets() === 0);
  });

  test('stop counts for more than reopen, whichever came first', async () => {
    const server = await start();
    const one = await linked(listen(server.url));
    one.reopen$.next();
    one.stop$.next();
    const other = await linked(listen(server.url));
    other.stop$.next();
    other.reopen$.next();
    expect([await one.ended(), await other.ended()]).toEqual(['completed', 'completed']);
  });

  test('stop during the opening handshake completes it as well', async () => {
    const server = await start({ faults: { hangRoutes: ['/ws'] } });
    const proxy = await proxied(server.url);
    const socket = listen(proxy.url);
    await until(() => proxy.open() === 1);
    socket.stop$.next();
    expect(await socket.ended()).toBe('completed');
    expect(socket.events).toEqual([]);
    await until(() => proxy.open() === 0);
  });

  test('unsubscribing leaves no socket, no timer and no word behind', async () => {
    const server = await start();
    const clock = countingClock();
    const socket = await linked(listen(server.url, { clock }));
    await submit(server, long(), fields);
    await until(() => progress(socket).length > 0);
    expect(clock.waiting()).toBeGreaterThan(0);
    socket.subscription.unsubscribe();
    const seen = socket.events.length;
    expect([clock.waiting(), socket.reopen$.observed, socket.stop$.observed]).toEqual([0, false, false]);
    await until(() => server.sockets() === 0);
    expect([socket.events.length, socket.end()]).toEqual([seen, undefined]);
  });

  test('unsubscribing during the opening handshake leaves no connection', async () => {
    const server = await start({ faults: { hangRoutes: ['/ws'] } });
    const proxy = await proxied(server.url);
    const clock = countingClock();
    const socket = listen(proxy.url, { clock });
    await until(() => proxy.open() === 1);
    socket.subscription.unsubscribe();
    await until(() => proxy.open() === 0);
    expect([clock.waiting(), socket.events, socket.end()]).toEqual([0, [], undefined]);
  });

  test('a server that does not answer the closing handshake is cut off', async () => {
    const server = await start();
    const proxy = await proxied(server.url);
    const socket = await linked(listen(proxy.url, { timing: { closeMs: 100 } }));
    proxy.pause();
    socket.reopen$.next();
    expect(await socket.ended()).toMatchObject({ requested: true });
    expect(socket.of('unlinked')).toMatchObject([{ clean: false }]);
  });
});

test('a server that does not answer the closing handshake keeps nobody waiting who takes the session up', async () => {
  const server = await start();
  const proxy = await proxied(server.url);
  const socket = await linked(listen(proxy.url, { timing: { closeMs: 2 ** 30, stopMs: 100 } }));
  proxy.pause();
  socket.stop$.next();
  expect(await socket.ended()).toBe('completed');
  expect(socket.of('unlinked')).toMatchObject([{ clean: false }]);
});
