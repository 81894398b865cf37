import { oneSocket, socket } from '../support/sockets/one-socket';
import { PATIENCE_MS } from '../../support/until';

oneSocket();

const done = { ok: true };
const refused = { ok: false, error: { code: 'bad-request', message: 'Join and leave with the promptId, a string.' } };

test.each<[event: string, args: readonly unknown[], answer: object]>([
  ['job:join', [], refused],
  ['job:join', [null], refused],
  ['job:join', [Buffer.from('id')], refused],
  ['job:leave', [], refused],
  ['job:leave', [{}], refused],
  ['job:leave', ['a job that was never joined'], done],
  ['jobs:unwatch', [], done],
  ['jobs:unwatch', ['of no use'], done],
  ['jobs:watch', [], { ok: true, jobs: [], more: false }],
])('[R18] who asks for an answer to %s %j gets one', async (event, args, answer) => {
  expect(await socket.timeout(PATIENCE_MS).emitWithAck(event, ...args)).toEqual(answer);
});
