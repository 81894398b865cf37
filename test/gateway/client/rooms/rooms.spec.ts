import type { Server } from 'socket.io';
import { firstValueFrom, retry, toArray } from 'rxjs';
import { JobstreamError, type Preview } from '../../../../gateway/client';
import type { RefusalCode, Reply } from '../../../../gateway/wire/protocol';
import { eventually } from '../../../support/until';
import {
  asked,
  client,
  closeGateway,
  cutAll,
  end,
  io,
  openGateway,
  refusal,
  seen,
  type Seen,
  seqs,
  state,
} from './answering';

/** What joins are answered with; where nothing is left, not at all. */
let joins: Reply[];

beforeEach(async () => {
  joins = [];
  await openGateway(() => ({ joins }));
});
afterEach(closeGateway);

test('two watchers and a preview share one stay in the room, which the last one ends', async () => {
  joins = [{ ok: true, job: state('a', 1) }];
  const [one, images] = [seen(client.watchJob('a')), seen(client.previews('a'))];
  await eventually(() => expect(seqs(one)).toEqual(['a1']));
  const late = seen(client.watchJob('a'));
  expect(seqs(late)).toEqual(['a1']);
  io.emit('job:state', state('a', 2));
  io.emit('job:state', state('b', 9));
  await eventually(() =>
    expect([seqs(one), seqs(late)]).toEqual([
      ['a1', 'a2'],
      ['a1', 'a2'],
    ]),
  );
  one.leave();
  late.leave();
  io.emit('job:preview', { promptId: 'a', nodeId: '3', mimeType: 'image/png' }, new Uint8Array([7]));
  await eventually(() => expect(images.values).toMatchObject([{ promptId: 'a', nodeId: '3', mimeType: 'image/png' }]));
  expect([...images.values[0]!.image]).toEqual([7]);
  expect(asked).toEqual(['job:join a']);
  images.leave();
  await eventually(() => expect(asked).toEqual(['job:join a', 'job:leave a']));
  expect(io.engine.clientsCount).toBe(1);
});

test('[R9] what is no answer is asked again, what is no state or preview is dropped, and none of it is thrown', async () => {
  const uncaught: unknown[] = [];
  const caught = (error: unknown): number => uncaught.push(error);
  process.on('uncaughtException', caught);
  const senseless = [null, 1, {}, { ok: true, job: null }, { ok: false, error: null }] as unknown as Reply[];
  for (const answer of senseless) {
    joins = [answer, { ok: true, job: state('a', 1) }];
    const [watched, images] = [seen(client.watchJob('a')), seen(client.previews('a'))];
    await eventually(() => expect(seqs(watched)).toEqual(['a1']));
    for (const odd of [null, 7, { promptId: 'a' }, { ...state('a', 2), progress: 'x' }]) {
      (io as Server).emit('job:state', odd, 7);
      (io as Server).emit('job:preview', odd, odd);
    }
    io.emit('job:state', end('a', 3));
    await eventually(() => expect([seqs(watched), images.completed]).toEqual([['a1', 'a3'], true]));
    expect(images.values).toEqual([]);
  }
  process.off('uncaughtException', caught);
  expect(uncaught).toEqual([]);
});

test('what is no newer is not shown, nor is a lower progress, and the settled state is the last', async () => {
  joins = [{ ok: true, job: state('a', 5, { epoch: 2, progress: 50 }) }];
  const watched = seen(client.watchJob('a'));
  await eventually(() => expect(watched.values).toHaveLength(1));
  io.emit('job:state', state('a', 5, { epoch: 2 }));
  io.emit('job:state', state('a', 9, { epoch: 1, progress: 90 }));
  io.emit('job:state', state('a', 1, { epoch: 3, progress: 40 }));
  io.emit('job:state', { ...end('a', 2), epoch: 3 });
  io.emit('job:state', state('a', 3, { epoch: 3 }));
  await eventually(() => expect(watched.completed).toBe(true));
  expect(watched.values.map(({ epoch, seq, progress }) => [epoch, seq, progress])).toEqual([
    [2, 5, 50],
    [3, 1, 50],
    [3, 2, 100],
  ]);
  expect(asked).toEqual(['job:join a']);
});

test('it joins again over each connection, from where it was', async () => {
  joins = [
    { ok: true, job: state('a', 5) },
    { ok: true, job: state('a', 3) },
    { ok: true, job: end('a', 8) },
  ];
  const statuses = seen(client.status$);
  const watched = seen(client.watchJob('a'));
  for (const times of [1, 2]) {
    await eventually(() => expect(asked).toHaveLength(times));
    cutAll();
  }
  await eventually(() => expect(watched.completed).toBe(true));
  expect(seqs(watched)).toEqual(['a5', 'a8']);
  const turn = ['reconnecting', 'connected'];
  expect(statuses.values).toEqual(['idle', 'connecting', 'connected', ...turn, ...turn]);
});

test.each<[RefusalCode]>([['store-unavailable'], ['no-answer'], ['left'], ['too-many-jobs'], ['a code of the future']])(
  'a join that is refused with %s is tried again',
  async (code) => {
    joins = [refusal(code), { ok: true, job: end('a', 1) }];
    expect(await firstValueFrom(client.watchJob('a').pipe(toArray()))).toMatchObject([{ status: 'completed' }]);
  },
);

test.each<[RefusalCode]>([['unknown-job'], ['bad-request']])(
  'a join that is refused with %s is an error by that name, for previews too',
  async (code) => {
    joins = [refusal(code)];
    const [watched, images] = [seen(client.watchJob('a')), seen(client.previews('a'))];
    await eventually(() => expect(watched.error).toMatchObject({ name: 'JobstreamError', code }));
    expect(watched.error).toBeInstanceOf(JobstreamError);
    expect(images.error).toBe(watched.error);
    expect(watched.error?.message).toBe(`it is ${code}`);
    expect(asked).toEqual(['job:join a']);
  },
);

test('the 65th job that is watched at a time is refused for good where the gateway has no seat for it', async () => {
  joins = Array.from({ length: 64 }, (_, n) => ({ ok: true, job: state(`job-${n}`, 1) }));
  const others = Array.from({ length: 64 }, (_, n) => seen(client.watchJob(`job-${n}`)));
  await eventually(() => expect(others.every(({ values }) => values.length === 1)).toBe(true));
  joins = [refusal('too-many-jobs')];
  const watched = seen(client.watchJob('a'));
  await eventually(() => expect(watched.error).toMatchObject({ name: 'JobstreamError', code: 'too-many-jobs' }));
});

test('a job that was there and is no more is gone, after some patience', async () => {
  joins = [{ ok: true, job: state('a', 5) }, refusal('unknown-job'), { ok: true, job: state('a', 6) }];
  const watched = seen(client.watchJob('a'));
  await eventually(() => expect(seqs(watched)).toEqual(['a5']));
  cutAll();
  await eventually(() => expect(seqs(watched)).toEqual(['a5', 'a6']));
  joins = Array.from({ length: 4 }, () => refusal('unknown-job'));
  cutAll();
  await eventually(() => expect(watched.error).toMatchObject({ code: 'gone' }));
  expect(joins).toEqual([]);
});

test('who watches again at once, from within the error, stays in the room', async () => {
  joins = [refusal('unknown-job'), { ok: true, job: state('a', 1) }];
  const watched = seen(client.watchJob('a').pipe(retry(1)));
  await eventually(() => expect(seqs(watched)).toEqual(['a1']));
  const other = seen(client.watchJob('a'));
  expect(seqs(other)).toEqual(['a1']);
  seen(client.watchJob('z'));
  await eventually(() => expect(asked.at(-1)).toBe('job:join z'));
  expect(asked).toEqual(['job:join a', 'job:join a', 'job:join z']);
  watched.leave();
  other.leave();
  await eventually(() => expect(asked.at(-1)).toBe('job:leave a'));
});

test('of images that come at once the newest is shown, and none after the end', async () => {
  joins = [{ ok: true, job: state('a', 1) }];
  const images: Seen<Preview> = seen(client.previews('a'));
  await eventually(() => expect(asked).toHaveLength(1));
  const image = (n: number) =>
    io.emit('job:preview', { promptId: 'a', nodeId: '3', mimeType: 'image/png' }, new Uint8Array([n]));
  for (let n = 0; n < 200; n += 1) image(n);
  await eventually(() => expect(images.values.at(-1)?.image[0]).toBe(199));
  expect(images.values.length).toBeLessThan(200);
  io.emit('job:state', end('a', 2));
  image(1);
  await eventually(() => expect(images.completed).toBe(true));
  expect(images.values.at(-1)?.image[0]).toBe(199);
});
