import { oneSocket, socket } from '../support/sockets/one-socket';

oneSocket();
// It watches all jobs already: every answer then comes in its turn.
beforeEach(() => new Promise((resolve) => socket.emit('jobs:watch', resolve)));

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
  const got = await new Promise((resolve) => {
    socket.emit(event, ...args, resolve);
    // Whatever is never answered stands behind this.
    socket.emit('jobs:watch', () => resolve('none'));
  });
  expect(got).toEqual(answer);
});
