import type { PublicJob } from '../../../gateway/wire/public-job';
import { steps } from '../../support/comfyui/workflows';
import { connected, join, statesOf, type Client } from '../support/client';
import { eventually } from '../../support/until';
import { runningGateway, type RunningGateway } from '../support/running-gateway';
import { settled } from '../support/settled';

let gateway: RunningGateway;
let sockets: Client[];
beforeAll(async () => {
  gateway = await runningGateway();
});
beforeEach(() => {
  sockets = [];
});
afterEach(() => sockets.forEach((socket) => socket.disconnect()));
afterAll(() => gateway.close());

/** Until it is let go, a job does not end: an end that came before the join would be in its answer alone. */
const hold = (): void => void (gateway.comfy.faults.mostSteps = 5);
const letGo = (): void => void (gateway.comfy.faults.mostSteps = Infinity);
const submit = async (): Promise<string> => {
  hold();
  const workflow = steps({ steps: 10, secondsPerStep: 0.1 });
  return (await gateway.pipeline.submit({ workflow, type: 'image_generation', userId: 'ada' })).promptId;
};
const aSocket = async (): Promise<Client> => {
  const socket = await connected(gateway);
  sockets.push(socket);
  return socket;
};
const isEnd = ({ status }: PublicJob): boolean => status === 'completed';

test('the end comes again until it is acknowledged, the same each time; what is no end asks for nothing', async () => {
  const [acking, late, mute] = [await aSocket(), await aSocket(), await aSocket()];
  const mutes = statesOf(mute);
  const acked: PublicJob[] = [];
  const lates: PublicJob[] = [];
  const asked: boolean[] = [];
  const listening = (socket: Client, states: PublicJob[], isSeen: () => boolean): void => {
    socket.on('job:state', (job: PublicJob, ...more: unknown[]) => {
      states.push(job);
      asked.push(more.length === 1 ? isEnd(job) : !isEnd(job));
      if (isSeen()) (more[0] as (() => void) | undefined)?.();
    });
  };
  listening(acking, acked, () => true);
  listening(late, lates, () => lates.filter(isEnd).length === 2);
  const promptId = await submit();
  await Promise.all([acking, late, mute].map((socket) => join(socket, promptId)));
  letGo();
  await eventually(() => expect(mutes.filter(isEnd)).toHaveLength(4));
  const { epoch, seq } = await settled(gateway.pipeline, promptId);
  expect(new Set(mutes.filter(isEnd).map((job) => JSON.stringify(job))).size).toBe(1);
  expect(mutes.at(-1)).toMatchObject({ epoch, seq });
  expect([acked.filter(isEnd).length, lates.filter(isEnd).length]).toEqual([1, 2]);
  expect(asked.every(Boolean)).toBe(true);
});

test('who left, or is gone, is not told again; others are', async () => {
  const [leaving, staying] = [await aSocket(), await aSocket()];
  const [some, all] = [statesOf(leaving), statesOf(staying)];
  const promptId = await submit();
  await Promise.all([join(leaving, promptId), join(staying, promptId)]);
  letGo();
  await eventually(() => expect(some.some(isEnd)).toBe(true));
  leaving.emit('job:leave', promptId);
  await eventually(() => expect(all.filter(isEnd)).toHaveLength(2));
  expect(some.filter(isEnd)).toHaveLength(1);
});
