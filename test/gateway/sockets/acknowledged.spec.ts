import type { PublicJob } from '../../../gateway/wire/public-job';
import { steps } from '../../support/comfyui/workflows';
import { join, statesOf, type Client } from '../support/sockets/client';
import { anotherSocket, gateway, holdAt, letGo, oneSocket, socket } from '../support/sockets/one-socket';
import { eventually } from '../../support/until';
import { settled } from '../support/settled';

oneSocket();

/** Until it is let go, the job does not end: an end that came before the join would be in its answer alone. */
const submit = async (): Promise<string> => {
  holdAt(5);
  const workflow = steps({ steps: 10, secondsPerStep: 0.1 });
  return (await gateway.pipeline.submit({ workflow, type: 'image_generation', userId: 'ada' })).promptId;
};
const isEnd = ({ status }: PublicJob): boolean => status === 'completed';

test('the end comes again until it is acknowledged, the same each time; what is no end asks for nothing', async () => {
  const [acking, late, mute] = [socket, await anotherSocket(), await anotherSocket()];
  const mutes = statesOf(mute);
  const acked: PublicJob[] = [];
  const lates: PublicJob[] = [];
  const asked: boolean[] = [];
  const listening = (from: Client, states: PublicJob[], isSeen: () => boolean): void => {
    from.on('job:state', (job: PublicJob, ...more: unknown[]) => {
      states.push(job);
      asked.push(more.length === 1 ? isEnd(job) : !isEnd(job));
      if (isSeen()) (more[0] as (() => void) | undefined)?.();
    });
  };
  listening(acking, acked, () => true);
  listening(late, lates, () => lates.filter(isEnd).length === 2);
  const promptId = await submit();
  await Promise.all([acking, late, mute].map((each) => join(each, promptId)));
  letGo();
  await eventually(() => expect(mutes.filter(isEnd)).toHaveLength(4));
  const { epoch, seq } = await settled(gateway.pipeline, promptId);
  expect(new Set(mutes.filter(isEnd).map((job) => JSON.stringify(job))).size).toBe(1);
  expect(mutes.at(-1)).toMatchObject({ epoch, seq });
  expect([acked.filter(isEnd).length, lates.filter(isEnd).length]).toEqual([1, 2]);
  expect(asked.every(Boolean)).toBe(true);
});

test('who left, or is gone, is not told again; others are', async () => {
  const [leaving, staying] = [socket, await anotherSocket()];
  const [some, all] = [statesOf(leaving), statesOf(staying)];
  const promptId = await submit();
  await Promise.all([join(leaving, promptId), join(staying, promptId)]);
  letGo();
  await eventually(() => expect(some.some(isEnd)).toBe(true));
  leaving.emit('job:leave', promptId);
  await eventually(() => expect(all.filter(isEnd)).toHaveLength(2));
  expect(some.filter(isEnd)).toHaveLength(1);
});
