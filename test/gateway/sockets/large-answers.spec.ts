import { jobstream, type JobState } from '../../../gateway/client';
import type { WatchReply } from '../../../gateway/wire/protocol';
import { bounds } from '../../../streams/bounds';
import { connected, type Client } from '../support/sockets/client';
import { runningGateway, type RunningGateway } from '../support/running-gateway';
import { eventually } from '../../support/until';
import { inOneSecond } from '../support/admission/one-second';
import { testAuth, tokenOf } from '../support/admission/tokens';

const COUNT = 60;
const cuts: string[] = [];
let gateway: RunningGateway;
let promptIds: readonly string[];

beforeAll(async () => {
  const heard = (line: string): void => {
    if (line.includes('cut a socket')) cuts.push(line);
  };
  gateway = await runningGateway({ auth: testAuth, heard });
  const metadata = { note: '🎨'.repeat(bounds.metadataBytes / 4 - 4) };
  const open = () => gateway.pipeline.open({ type: 'x', userId: 'mallory', reported: {}, metadata });
  promptIds = (await Promise.all(Array.from({ length: COUNT }, open))).map(({ promptId }) => promptId);
});
afterAll(() => gateway.close());

const watch = (socket: Client): Promise<WatchReply> => new Promise((resolve) => socket.emit('jobs:watch', resolve));
const granted = (replies: readonly WatchReply[]) => replies.flatMap((reply) => (reply.ok ? [reply] : []));

test('[R16] an answer of many jobs has so many bytes, and says that there are more', async () => {
  const socket = await connected(gateway, await tokenOf({ sub: 'mallory' }));
  const [reply] = granted([await watch(socket)]);
  expect(reply).toMatchObject({ more: true });
  expect(reply?.jobs.length).toBeGreaterThan(10);
  expect(Buffer.byteLength(JSON.stringify(reply?.jobs))).toBeLessThan(bounds.answerBytes + COUNT);
  socket.disconnect();
});

test('[R17] who asks again and again for all jobs is answered some times, and told of each other ask that it was not', async () => {
  const socket = await connected(gateway, await tokenOf({ sub: 'mallory' }));
  const replies = await inOneSecond(() => Promise.all(Array.from({ length: 100 }, () => watch(socket))));
  expect(granted(replies).length).toBeGreaterThan(0);
  expect(granted(replies).length).toBeLessThan(20);
  const codes = replies.flatMap((reply) => (reply.ok ? [] : [reply.error.code]));
  expect(['left', 'too-many-requests']).toEqual(expect.arrayContaining([...new Set(codes)]));
  socket.disconnect();
});

test('[R17] one user’s large jobs keep no service from watching all', async () => {
  const { promptId } = await gateway.pipeline.open({ type: 'x', userId: 'ada', reported: {} });
  const client = jobstream({ url: gateway.url, token: await tokenOf({ role: 'service' }) });
  const statuses: string[] = [];
  client.status$.subscribe((status) => statuses.push(status));
  const told = new Map<string, JobState>();
  const watching = client.watchMine().subscribe((job) => told.set(job.promptId, job));
  await eventually(() => expect(told.get(promptId)?.status).toBe('queued'));
  for (let count = 1; count <= 20; count += 1) {
    await gateway.pipeline.report(promptId, { count, value: count, max: 20 });
    await Promise.all(promptIds.slice(0, 5).map((id) => gateway.pipeline.report(id, { count, value: count, max: 20 })));
  }
  await gateway.pipeline.report(promptId, { count: 21, outputs: ['a'] });
  await eventually(() => expect(told.get(promptId)?.status).toBe('completed'));
  expect(cuts).toEqual([]);
  expect(statuses.filter((status) => status === 'connected')).toHaveLength(1);
  watching.unsubscribe();
  client.close();
});
