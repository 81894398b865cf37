import { firstValueFrom } from 'rxjs';
import type { LiveJobs, Reply } from '../../../../gateway/wire/protocol';
import { eventually, PATIENCE_MS } from '../../../support/until';
import { asked, client, closeGateway, cutAll, end, io, openGateway, refusal, seen, seqs, state } from './answering';

/** What joins and watches are answered with; where nothing is left, not at all. */
let joins: Reply[];
let live: LiveJobs;

beforeEach(async () => {
  [joins, live] = [[], { jobs: [], more: false }];
  await openGateway(() => ({ joins, live }));
});
afterEach(closeGateway);

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
      io.timeout(PATIENCE_MS).emit('job:state', end('a', 2), (_error?: unknown, some?: unknown) => resolve(some));
    });
    expect([times, acks]).toStrictEqual([times, [undefined]]);
  }
  expect([seqs(mine!).at(-1), seqs(one!), one!.completed]).toEqual(['a2', ['a1', 'a2'], true]);
});
