import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { firstValueFrom, retry, toArray, type Observable } from 'rxjs';
import { Server } from 'socket.io';
import { jobstream, JobstreamError, type Jobstream, type JobState, type Preview } from '../../../gateway/client';
import type { Heard, LiveJobs, RefusalCode, Reply, ServerEvents, WatchReply } from '../../../gateway/wire/protocol';
import { eventually } from '../../support/until';

const state = (promptId: string, seq: number, more: Partial<JobState> = {}): JobState => ({
  promptId,
  type: 'image_generation',
  userId: 'ada',
  status: 'processing',
  progress: seq,
  startedAt: 1,
  server: 'server-1',
  phase: 'running',
  updatedAt: seq,
  via: 'websocket',
  attempt: 1,
  epoch: 1,
  seq,
  ...more,
});
const end = (promptId: string, seq: number) => state(promptId, seq, { status: 'completed', progress: 100 });
const refusal = (code: RefusalCode): Reply & WatchReply => ({ ok: false, error: { code, message: `it is ${code}` } });

let http: HttpServer;
let io: Server<Heard, ServerEvents>;
let client: Jobstream;
/** All that clients sent. */
let asked: string[];
/** What joins and watches are answered with; where nothing is left, not at all. */
let joins: Reply[];
let live: LiveJobs;

beforeEach(async () => {
  [asked, joins, live] = [[], [], { jobs: [], more: false }];
  http = createServer();
  io = new Server(http, { transports: ['websocket'] });
  io.on('connection', (socket) => {
    socket.onAny((event: string, ...args: unknown[]) => {
      asked.push([event, ...args].filter((arg) => typeof arg === 'string').join(' '));
      const ack = args.at(-1) as ((reply: unknown) => void) | undefined;
      if (event === 'job:join' && joins.length > 0) ack?.(joins.shift());
      if (event === 'jobs:watch') ack?.({ ok: true, ...live });
    });
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  client = jobstream({ url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` });
});
afterEach(async () => {
  client.close();
  await io.close();
});

interface Seen<T> {
  readonly values: T[];
  error?: JobstreamError;
  completed: boolean;
  leave(): void;
}
function seen<T>(value$: Observable<T>): Seen<T> {
  const got: Seen<T> = { values: [], completed: false, leave: () => subscription.unsubscribe() };
  const subscription = value$.subscribe({
    next: (value) => got.values.push(value),
    error: (error: unknown) => (got.error = error as JobstreamError),
    complete: () => (got.completed = true),
  });
  return got;
}
const seqs = ({ values }: Seen<JobState>) => values.map(({ promptId, seq }) => `${promptId}${seq}`);
const cutAll = () => io.sockets.sockets.forEach((socket) => socket.conn.close());

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

test('watchMine: the live jobs, then each change, each job never backward; late comers start with what is live', async () => {
  live = { jobs: [state('a', 5), state('b', 1)], more: false };
  const watched = seen(client.watchMine());
  await eventually(() => expect(seqs(watched)).toEqual(['a5', 'b1']));
  for (const job of [state('a', 4), state('c', 1), end('b', 2), state('b', 3)]) io.emit('job:state', job);
  io.emit('job:state', state('a', 6));
  await eventually(() => expect(seqs(watched)).toEqual(['a5', 'b1', 'c1', 'b2', 'a6']));
  const late = seen(client.watchMine());
  expect(seqs(late)).toEqual(['c1', 'a6']);
  watched.leave();
  late.leave();
  await eventually(() => expect(asked).toEqual(['jobs:watch', 'jobs:unwatch']));
});

test('watchMine asks after a break for what ended meanwhile, or is no more', async () => {
  live = { jobs: [state('a', 5), state('b', 1), state('c', 1)], more: false };
  const watched = seen(client.watchMine());
  await eventually(() => expect(watched.values).toHaveLength(3));
  live = { jobs: [state('a', 7)], more: false };
  joins = [{ ok: true, job: end('b', 9) }, refusal('unknown-job')];
  cutAll();
  await eventually(() => expect(joins).toEqual([]));
  await eventually(() => expect(seqs(watched)).toEqual(['a5', 'b1', 'c1', 'a7', 'b9']));
  const late = seen(client.watchMine());
  await eventually(() => expect(seqs(late)).toEqual(['a7']));
});

test('watchMine stays with a job that the gateway after a break does not list and says is live, to its end', async () => {
  live = { jobs: [state('a', 5), state('b', 1)], more: false };
  const watched = seen(client.watchMine());
  await eventually(() => expect(watched.values).toHaveLength(2));
  live = { jobs: [state('b', 1)], more: false };
  joins = [{ ok: true, job: state('a', 6) }];
  cutAll();
  await eventually(() => expect(seqs(watched).at(-1)).toBe('a6'));
  // An answer to what came after: a leave would have come before it.
  joins = [{ ok: true, job: end('c', 1) }];
  await firstValueFrom(client.watchJob('c'));
  expect(asked).not.toContain('job:leave a');
  io.emit('job:state', end('a', 7));
  await eventually(() => expect(seqs(watched).at(-1)).toBe('a7'));
});

test('watchMine asks for the list again where it lacked a live job, and leaves that one’s room once it is named', async () => {
  live = { jobs: [state('a', 5)], more: false };
  const watched = seen(client.watchMine());
  await eventually(() => expect(watched.values).toHaveLength(1));
  live = { jobs: [], more: false };
  joins = [{ ok: true, job: state('a', 6) }];
  cutAll();
  await eventually(() => expect(seqs(watched).at(-1)).toBe('a6'));
  live = { jobs: [state('a', 7)], more: false };
  await eventually(() => expect(seqs(watched).at(-1)).toBe('a7'));
  await eventually(() => expect(asked.at(-1)).toBe('job:leave a'));
});

test('a page that is open already learns that the store of its gateway went away, and that it is back', async () => {
  const partial = seen(client.partial$);
  seen(client.watchMine());
  await eventually(() => expect(asked).toEqual(['jobs:watch']));
  live = { jobs: [state('a', 1)], more: false, partial: true };
  io.emit('jobs:partial', { partial: true });
  await eventually(() => expect(partial.values).toEqual([false, true]));
  live = { jobs: [state('a', 1)], more: false };
  io.emit('jobs:partial', { partial: false });
  await eventually(() => expect(partial.values).toEqual([false, true, false]));
});

test('5,000 changes of ten jobs leave ten behind', async () => {
  live = { jobs: [], more: false };
  const watched = seen(client.watchMine());
  await eventually(() => expect(asked).toEqual(['jobs:watch']));
  for (let n = 1; n <= 5_000; n += 1) io.emit('job:state', state(`job-${n % 10}`, n));
  await eventually(() => expect(watched.values).toHaveLength(5_000));
  expect(seen(client.watchMine()).values).toHaveLength(10);
});

test('close ends everything by name, and nothing begins after it', async () => {
  joins = [{ ok: true, job: state('a', 1) }];
  const [job, mine, statuses] = [seen(client.watchJob('a')), seen(client.watchMine()), seen(client.status$)];
  await eventually(() => expect(job.values).toHaveLength(1));
  client.close();
  expect([job.error?.code, mine.error?.code, statuses.completed]).toEqual(['closed', 'closed', true]);
  expect(statuses.values.at(-1)).toBe('closed');
  expect(seen(client.watchJob('b')).error?.code).toBe('closed');
  expect(seen(client.status$)).toMatchObject({ values: ['closed'], completed: true });
  expect(seen(client.connection$)).toMatchObject({ values: [{ status: 'closed' }], completed: true });
  await eventually(() => expect(io.engine.clientsCount).toBe(0));
});

test('the end of a job is acknowledged, however many listen, and also where nobody does any more', async () => {
  const [mine, one, other] = [client.watchMine(), client.watchJob('a'), client.watchJob('a')].map(seen);
  joins = [{ ok: true, job: state('a', 1) }];
  await eventually(() => expect([seqs(one!), seqs(other!)]).toEqual([['a1'], ['a1']]));
  for (const times of [1, 2]) {
    const acks = await new Promise((resolve) => {
      io.timeout(5_000).emit('job:state', end('a', 2), (_error?: unknown, some?: unknown) => resolve(some));
    });
    expect([times, acks]).toEqual([times, [undefined]]);
  }
  expect([seqs(mine!).at(-1), seqs(one!), one!.completed]).toEqual(['a2', ['a1', 'a2'], true]);
});
