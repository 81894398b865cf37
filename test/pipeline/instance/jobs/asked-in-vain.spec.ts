import { EMPTY, VirtualTimeScheduler, defer, lastValueFrom, of, tap, throwError, type Observable } from 'rxjs';
import { TooManyJobs } from '../../../../pipeline/api';
import type { Env } from '../../../../pipeline/env';
import { cancelling, type CancellingParts } from '../../../../pipeline/instance/cancelling';
import { StoreUnavailable } from '../../../../sinks/job-store';
import type { JobState } from '../../../../streams/job/job-state';
import { jittered } from '../../../../streams/operators/backoff';
import { watchers } from '../../../../streams/maps/keyed-watchers';
import { aState } from '../../../sinks/a-state';

/** Lets virtual time pass, 50 ms at a time if nothing else is said, and after each what waits for promises. */
async function passing(clock: VirtualTimeScheduler, ms: number, stepMs = 50): Promise<void> {
  for (const end = clock.maxFrames + ms; clock.maxFrames < end; clock.maxFrames += stepMs) {
    clock.flush();
    for (let n = 0; n < 20; n++) await Promise.resolve();
  }
}

/** An instance that is to cancel jobs of another, and when it has asked for that; how often it stopped one here. */
function anInstance({ isHeard = false, state = theirs }: { isHeard?: boolean; state?: JobState } = {}) {
  const clock = new VirtualTimeScheduler();
  clock.maxFrames = 0;
  const asks: number[] = [];
  const reports: unknown[] = [];
  const now = { state: state as JobState | undefined, isHere: false, stands: true, stopped: 0 };
  const states = watchers<JobState>();
  const parts = {
    board: { job: () => (now.isHere ? { state: now.state } : undefined) },
    posting: { stop: () => defer(() => (now.stopped++, EMPTY)) },
    store: { leases: { ask: (): Observable<boolean> => of(isHeard).pipe(tap(() => asks.push(clock.frame))) } },
    reads: {
      get: () => Promise.resolve(now.state),
      present: () => Promise.resolve(now.state),
      stands: () => Promise.resolve(now.stands),
    },
    local: { states },
    life: { run: (command$: Observable<unknown>) => lastValueFrom(command$, { defaultValue: undefined }) },
  };
  const env: Env = {
    clock,
    random: () => 0.5,
    report: (_where, error) => reports.push(error),
    backoff: jittered({ firstMs: 1, maxMs: 1, steadyMs: 1 }, () => 0),
  };
  const cancel = cancelling(parts as unknown as CancellingParts, env);
  return {
    clock,
    asks,
    reports,
    now,
    parts,
    states,
    cancel,
    pass: (ms: number, stepMs?: number) => passing(clock, ms, stepMs),
  };
}

const theirs = aState({ promptId: 'p', clientId: 's' });
const asked: JobState = { ...theirs, cancelAskedAt: 5 };
const ended: JobState = { ...theirs, status: 'failed' };

test.each([
  ['nobody hears it: each 250 ms for the 10 s in which a successor comes, then each 4 s', false, [40, 45], 15],
  ['the holder hears it and does nothing: after 100 ms, at doubled waits, then each 4 s', true, [6, 9], 15],
] as const)('[R17] a cancel is passed on while %s', async (_how, isHeard, [least, most], inAMinute) => {
  const { pass, asks, cancel } = anInstance({ isHeard });
  void cancel('p');
  await pass(10_000);
  expect(asks.length).toBeGreaterThanOrEqual(least);
  expect(asks.length).toBeLessThanOrEqual(most);
  await pass(20_000);
  const before = asks.length;
  await pass(60_000);
  expect(asks.length - before).toBe(inAMinute);
});

describe('a cancel is passed on no more', () => {
  test.each([
    ['the job has ended', ended],
    ['the stored state shows it, which a holder heard', asked],
  ])('once %s', async (_how, state) => {
    const { pass, asks, now, cancel } = anInstance({ isHeard: true });
    const answer = cancel('p');
    await pass(200);
    const before = asks.length;
    now.state = state;
    await pass(60_000);
    expect([before > 0, asks.length - before, await answer]).toEqual([true, 0, state]);
  });

  test('once this instance has the job, which stops it then', async () => {
    const { pass, asks, now, states, cancel } = anInstance({ isHeard: true });
    const answer = cancel('p');
    await pass(20_000);
    const before = asks.length;
    now.isHere = true;
    states.tell('p', theirs);
    await pass(50);
    expect([now.stopped, asks.length - before, await answer]).toEqual([1, 1, theirs]);
  });

  test('after an hour', async () => {
    const { pass, asks, cancel } = anInstance();
    const answer = cancel('p');
    await pass(3_600_000, 4_000);
    const before = asks.length;
    await pass(60_000);
    expect([asks.at(-1)! > 3_400_000, asks.length - before, await answer]).toEqual([true, 0, theirs]);
  });
});

test('a cancel that is older than the state’s is obeyed only by who is asked anew', async () => {
  const { pass, asks, cancel } = anInstance({ state: asked, isHeard: true });
  const answer = cancel('p');
  await pass(200);
  expect([asks.length, await answer]).toEqual([1, asked]);
});

test('a job that the store lost is asked for on, and whoever has it writes it again', async () => {
  const { pass, asks, now, cancel } = anInstance();
  void cancel('p');
  await pass(100);
  const before = asks.length;
  now.state = undefined;
  await pass(10_000);
  expect(asks.length).toBe(before);
  now.state = theirs;
  await pass(10_000);
  expect(asks.length).toBeGreaterThan(before);
});

test('[R12] a store that is away is asked again; a mistake of ours is reported, and the cancel answered', async () => {
  const { pass, asks, parts, reports, cancel } = anInstance();
  const { ask } = parts.store.leases;
  parts.store.leases.ask = () => throwError(() => new StoreUnavailable('away'));
  void cancel('p');
  await pass(1_000);
  parts.store.leases.ask = ask;
  await pass(1_000);
  expect([asks.length > 0, reports]).toEqual([true, []]);
  parts.store.leases.ask = () => throwError(() => new TypeError('a mistake'));
  expect(await cancel('p')).toBe(theirs);
  expect(reports).toEqual([new TypeError('a mistake')]);
});

test('a later cancel of a job takes the earlier one’s place, and both are answered', async () => {
  const { pass, asks, cancel } = anInstance();
  const first = cancel('p');
  await pass(12_000);
  void cancel('p');
  expect(await first).toBe(theirs);
  const before = asks.length;
  await pass(1_000);
  expect(asks.length - before).toBeLessThanOrEqual(5);
});

test('[R16] a thousand wait to be obeyed; one more is refused, but for a job that waits already, or that is here', async () => {
  const { pass, now, cancel } = anInstance();
  for (let n = 0; n < 1_000; n++) void cancel(`job-${n}`);
  await pass(50);
  await expect(cancel('one more')).rejects.toThrow(TooManyJobs);
  void cancel('job-0');
  await pass(50);
  now.isHere = true;
  await cancel('here');
  expect(now.stopped).toBeGreaterThan(0);
  now.isHere = false;
  now.state = ended;
  await pass(300);
  now.state = theirs;
  // All were obeyed: there is room.
  void cancel('one more');
  await pass(50);
});

test('a cancel of no job is answered with none, of one that has ended with its end', async () => {
  const { now, cancel, asks } = anInstance({ state: ended });
  expect(await cancel('p')).toBe(ended);
  now.state = undefined;
  expect(await cancel('p')).toBeUndefined();
  expect(asks).toEqual([]);
});

const reporting: JobState = { ...theirs, reported: { silentMs: 1, heardAt: 1, count: 1 } };
test.each<[string, JobState, (() => Promise<boolean>) | boolean, number]>([
  ['of a reported job stands', reporting, true, 1],
  ['of a reported job is overruled by another instance’s state, which has to end it', reporting, false, 2],
  ['of a reported job may stand, as the store is away', reporting, () => Promise.reject(new Error('away')), 1],
  ['is of a job of ComfyUI', theirs, false, 1],
])('a job that is here is stopped at once; where its end %s', async (_how, state, stands, times) => {
  const { now, parts, cancel } = anInstance({ state });
  now.isHere = true;
  if (typeof stands === 'boolean') now.stands = stands;
  else parts.reads.stands = stands;
  parts.posting.stop = () =>
    defer(() => {
      now.stopped++;
      now.state = { ...state, status: 'failed' };
      return EMPTY;
    });
  expect(await cancel('p')).toMatchObject({ status: 'failed' });
  expect(now.stopped).toBe(times);
});
