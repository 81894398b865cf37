import type { Socket as TcpSocket } from 'node:net';
import { pino } from 'pino';
import { steps } from '../../support/comfyui/workflows';
import { eventually, PATIENCE_MS } from '../../support/until';
import { connected, join, statesOf, type Client } from '../support/sockets/client';
import { runningGateway, type RunningGateway } from '../support/running-gateway';
import { settled } from '../support/settled';

const log: string[] = [];
const logger = pino({ level: 'info' }, { write: (line: string) => void log.push(line) });
const cuts = () => log.filter((line) => line.includes('cut a socket'));
afterEach(() => log.splice(0));

/** From now on, what is sent to the client fills the system's buffers, then the gateway's. */
function stopReading(socket: Client): TcpSocket {
  const { transport } = socket.io.engine as unknown as { transport: { ws: { _socket: TcpSocket } } };
  return transport.ws._socket.pause();
}

/** Who may ask for more than fits. */
const rates = { messagesPerSecond: 0, joinsPerSecond: 0 };
const metadata = { padding: 'x'.repeat(16_000) };
const submit = (gateway: RunningGateway, workflow = steps()) =>
  gateway.pipeline.submit({ workflow, type: 'image_generation', userId: 'ada', metadata });

/** 32 MB of answers: more than the system holds. */
function askTooMuch(socket: Client, promptId: string): void {
  for (let n = 0; n < 2000; n += 1) socket.emit('job:join', promptId, () => undefined);
}

test('who asks and does not read is cut at 1 MiB; others do not notice', async () => {
  const gateway = await runningGateway({ logger, rates });
  const { promptId } = await submit(gateway);
  await settled(gateway.pipeline, promptId);
  const [slow, quick] = [await connected(gateway), await connected(gateway)];
  const tcp = stopReading(slow);
  askTooMuch(slow, promptId);
  await eventually(() => expect(cuts()).toEqual([expect.stringContaining('over 1048576 bytes wait for it')]));
  expect(await join(quick, promptId)).toMatchObject({ ok: true });
  tcp.resume();
  await eventually(() => expect(slow.connected).toBe(false));
  expect(quick.connected).toBe(true);
  quick.disconnect();
  await gateway.close();
});

test('who reads nothing for too long is cut, whatever waits', async () => {
  const gateway = await runningGateway({ logger, rates, limits: { waitingBytes: 2 ** 30, stallMs: 400 } });
  const { promptId } = await submit(gateway);
  await settled(gateway.pipeline, promptId);
  const slow = await connected(gateway);
  const tcp = stopReading(slow);
  askTooMuch(slow, promptId);
  await eventually(() => expect(cuts()).toEqual([expect.stringContaining('nothing left for 400 ms')]));
  tcp.resume();
  await eventually(() => expect(slow.connected).toBe(false));
  await gateway.close();
});

test('who reads again in time has missed steps, never the end', async () => {
  const gateway = await runningGateway({ logger, rates, limits: { waitingBytes: 2 ** 30, stallMs: 10 * PATIENCE_MS } });
  const { promptId } = await submit(gateway);
  await settled(gateway.pipeline, promptId);
  const [slow, quick] = [await connected(gateway), await connected(gateway)];
  const [some, all] = [statesOf(slow), statesOf(quick)];
  gateway.comfy.faults.mostSteps = 5;
  const live = await submit(gateway, steps({ steps: 40, secondsPerStep: 0.3 }));
  await Promise.all([join(slow, live.promptId), join(quick, live.promptId)]);
  const tcp = stopReading(slow);
  askTooMuch(slow, promptId);
  for (const step of [15, 25, 35]) {
    gateway.comfy.faults.mostSteps = step;
    await eventually(() => expect(all.at(-1)?.node?.value).toBeGreaterThan(step - 10));
  }
  gateway.comfy.faults.mostSteps = Infinity;
  const end = await settled(gateway.pipeline, live.promptId);
  await eventually(() => expect(all.at(-1)).toMatchObject({ status: 'completed', seq: end.seq }));
  tcp.resume();
  await eventually(() => expect(some.at(-1)).toMatchObject({ status: 'completed', seq: end.seq }));
  expect(some.length).toBeLessThan(all.length);
  expect(cuts()).toEqual([]);
  slow.disconnect();
  quick.disconnect();
  await gateway.close();
});
