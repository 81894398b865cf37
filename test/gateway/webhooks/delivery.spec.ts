import { map, mergeMap, timer } from 'rxjs';
import type { Hooks } from '../../../sinks/webhook-queue';
import { aState } from '../../sinks/a-state';
import {
  ada,
  adas,
  clock,
  delivered,
  delivering,
  done,
  ended,
  firstHooks,
  failed,
  pass,
  reports,
  startClock,
} from './delivering';

let hooks: Hooks;
beforeEach(() => {
  startClock();
  hooks = firstHooks;
});
const { open } = delivering(() => hooks);

test('tries for a day, less and less often, always the same, then gives up and says so', async () => {
  const { add, close, sent } = open(() => failed);
  await add(adas('job-1'), 'https://example.com/secret', ada);
  await pass(180_000);
  await pass(2 * 3_600_000, 10_000);
  await pass(26 * 3_600_000, 60_000);
  const waits = sent.slice(1).map(({ atMs }, n) => Math.round((atMs - sent[n]!.atMs) / 1000));
  const wanted = [5, 30, 120, 600, 1800, 3600];
  // What comes after a while is seen ten seconds late at most.
  wanted.forEach((wait, n) => expect(Math.abs(waits[n]! - wait)).toBeLessThanOrEqual(n < 3 ? 2 : 11));
  expect(sent.at(-1)!.atMs).toBeGreaterThan(22 * 3_600_000);
  expect(sent.at(-1)!.atMs).toBeLessThan(24.1 * 3_600_000);
  expect(new Set(sent.map(({ message: { id, url, body } }) => JSON.stringify([id, url, body]))).size).toBe(1);
  expect(reports).toEqual([expect.stringMatching(/gave up telling of job-1: it answered 500/)]);
  close();
});

test('stops at 410, and at the first that is taken', async () => {
  const { add, close, sent } = open((n) => (n === 1 ? { tag: 'unwanted' } : n === 2 ? failed : delivered));
  await add(adas('job-1'), 'https://example.com/', ada);
  await pass(60_000);
  expect(sent).toHaveLength(1);
  await add(adas('job-2'), 'https://example.com/', ada);
  await pass(600_000, 5_000);
  expect(sent).toHaveLength(3);
  expect(reports).toEqual([]);
  close();
});

test('tells at once what settles here, and within half a minute what nobody told of', async () => {
  let job = aState({ status: 'processing' });
  const { add, close, sent, states$ } = open(
    () => delivered,
    () => job,
  );
  await add(adas('job-1'), 'https://example.com/', ada);
  await pass(10_000);
  expect(sent).toEqual([]);
  job = ended;
  states$.next(ended);
  await pass(1_000);
  expect(sent).toHaveLength(1);
  job = aState({ promptId: 'job-2', status: 'processing' });
  await add(adas('job-2'), 'https://example.com/', ada);
  await pass(61_000);
  expect(sent).toHaveLength(1);
  job = aState({ promptId: 'job-2', status: 'failed' });
  await pass(31_000);
  expect(sent).toHaveLength(2);
  close();
});

test('a receiver that refuses the end of a job is asked again when its wait is over, not when the end is stored', async () => {
  const { add, close, sent, states$ } = open((n) => (n === 1 ? failed : delivered));
  await add(adas('job-1'), 'https://example.com/', ada);
  states$.next({ ...ended, promptId: 'job-1' });
  await pass(10_000);
  expect(sent.map(({ atMs }) => atMs)).toEqual([1_000, 6_000]);
  close();
});

test('gives up on a job that is nowhere after hours, not at once, and on what is no webhook', async () => {
  const { add, close, sent } = open(
    () => failed,
    () => undefined,
  );
  await add(adas('job-1'), 'https://example.com/', ada);
  await done(hooks.add({ promptId: 'junk', text: 'no JSON' }, 0));
  await pass(120_000);
  expect(reports).toEqual([expect.stringContaining('gave up telling of junk')]);
  const text = JSON.stringify({ url: 'https://example.com/', at: clock.now() - 3 * 3_600_000 + 60_000, attempts: 0 });
  await done(hooks.later({ promptId: 'job-1', text }, 0));
  await pass(30_000);
  expect(reports).toHaveLength(1);
  await pass(61_000);
  expect(reports.at(-1)).toContain('there is no such job');
  expect(sent).toEqual([]);
  close();
});

test.each([
  ['at once', 0],
  ['20 ms later, as a file does', 20],
])(
  '[R16] hundreds of webhooks to a host that accepts and never answers hold up nobody else’s, in a store that answers %s',
  async (_how, ms) => {
    const kept = hooks;
    const later: Hooks['later'] = (hook, inMs) => timer(ms, clock).pipe(mergeMap(() => kept.later(hook, inMs)));
    if (ms > 0) hooks = { ...kept, later };
    const { add, close, sent } = open((_n, { url }) =>
      url.includes('tarpit') ? timer(15_000, clock).pipe(map(() => failed)) : delivered,
    );
    for (let n = 0; n < 600; n += 1) await add(adas(`stuck-${n}`), `https://tarpit.example/${n}`, ada);
    await pass(3_000);
    expect(sent).toHaveLength(4);
    for (let n = 0; n < 5; n += 1) {
      const began = clock.now();
      await add({ promptId: `fine-${n}`, userId: ended.userId }, 'https://fine.example/', ada);
      await pass(20_000);
      const told = sent.find(({ message }) => message.id === `msg_fine-${n}`);
      expect(told!.atMs - began).toBeLessThanOrEqual(3_000);
    }
    // Those that are stuck have their turn too.
    await pass(600_000, 5_000);
    expect(new Set(sent.map(({ message }) => message.url)).size).toBeGreaterThan(60);
    close();
  },
);

test('a webhook is told of the job of whoever asked for it, and of no other', async () => {
  const { add, close, sent } = open(() => delivered);
  await add({ promptId: 'job-1', userId: 'bob' }, 'https://example.com/', ada);
  await pass(60_000);
  expect(sent).toEqual([]);
  close();
});

test('leaves no timer when it is closed', async () => {
  const { close } = open(() => delivered);
  await pass(3_000);
  close();
  expect(clock.actions).toEqual([]);
});
