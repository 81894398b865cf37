import { defer, EMPTY, of, throwError, VirtualTimeScheduler } from 'rxjs';
import { learnedDurations } from '../../../pipeline/instance/learned-durations';
import type { Env } from '../../../pipeline/env';
import { StoreUnavailable, type JobStore } from '../../../sinks/job-store';
import { planOf } from '../../../streams/job/progress/plan/plan';
import { runClock } from '../../../streams/job/progress/run-clock';
import { executed, executing } from '../../../streams/job/progress/run-events';
import { graphOf } from '../../../streams/job/workflow';

/** A run of 250 nodes whose inputs no other run has. */
function aRun(n: number) {
  const nodes = Object.fromEntries(
    Array.from({ length: 250 }, (_, id) => [id, { class_type: 'KSampler', inputs: { cfg: n + id / 1_000 } }]),
  );
  return Object.keys(nodes).reduce(
    (run, id) => executed(executing(run, id, Number(id) * 100), id, Number(id) * 100 + 50),
    runClock(planOf(graphOf(nodes)), { at: 0 }),
  );
}

test('what was learnt a moment ago is written at the end, once', () => {
  const written: (readonly string[])[] = [];
  const store: Pick<JobStore, 'learned' | 'learn'> = {
    learned: () => EMPTY,
    learn: (entries) => defer(() => (written.push(entries.map(([key]) => key)), EMPTY)),
  };
  const clock = new VirtualTimeScheduler();
  const { kept$, learn, flush } = learnedDurations(store, { clock } as unknown as Env);
  const keeping = kept$.subscribe();
  learn({ tag: 'measured', serverUrl: 'http://a', run: aRun(0), at: 30_000 });
  keeping.unsubscribe();
  flush().subscribe();
  flush().subscribe();
  expect(written).toEqual([expect.arrayContaining([expect.stringMatching(/^n/), expect.stringMatching(/^c/)])]);
});

/** Durations on a store that is away at first, and then takes writes. */
function whileAway(store = { isAway: true }) {
  const written = new Map<string, string | undefined>();
  const reports: unknown[] = [];
  const learn: JobStore['learn'] = (entries) =>
    defer(() => {
      if (store.isAway) return throwError(() => new StoreUnavailable('away'));
      for (const [key, text] of entries) written.set(key, text);
      return EMPTY;
    });
  const env = { clock: new VirtualTimeScheduler(), report: (_where: string, error: unknown) => reports.push(error) };
  const durations = learnedDurations({ learned: () => EMPTY, learn }, env as unknown as Env);
  return { ...durations, store, written, reports };
}

test('[R12] what a store that is away did not take waits for the next write, and what was learnt since is the newer', () => {
  const { learn, flush, store, written, reports } = whileAway();
  const { learn: learnHere, flush: flushHere, written: writtenHere } = whileAway({ isAway: false });
  learn({ tag: 'measured', serverUrl: 'http://a', run: aRun(0), at: 30_000 });
  flush().subscribe();
  learn({ tag: 'measured', serverUrl: 'http://a', run: aRun(1), at: 30_000 });
  flush().subscribe();
  store.isAway = false;
  flush().subscribe();
  for (const n of [0, 1]) learnHere({ tag: 'measured', serverUrl: 'http://a', run: aRun(n), at: 30_000 });
  flushHere().subscribe();
  expect(written).toEqual(writtenHere);
  expect(reports).toEqual([expect.any(StoreUnavailable)]);
});

test('[R16] what waits for a store that is away is bounded', () => {
  const { learn, flush, store, written } = whileAway();
  for (let n = 0; n < 50; n++) {
    learn({ tag: 'measured', serverUrl: 'http://a', run: aRun(n), at: 30_000 });
    if (n % 20 === 0) flush().subscribe();
  }
  store.isAway = false;
  flush().subscribe();
  expect(written.size).toBe(20_000);
});

test.each([1, 2])('[R16] what %i instances learn stays bounded in their store', (instances) => {
  const stored = new Map<string, string>();
  const store: Pick<JobStore, 'learned' | 'learn'> = {
    learned: () => defer(() => of([...stored])),
    learn: (entries) =>
      defer(() => {
        for (const [key, text] of entries)
          if (text === undefined) stored.delete(key);
          else stored.set(key, text);
        return EMPTY;
      }),
  };
  const clock = new VirtualTimeScheduler();
  const reports: unknown[] = [];
  const env = { clock, random: () => 1, report: (_where: string, error: unknown) => reports.push(error) };
  const all = Array.from({ length: instances }, () => learnedDurations(store, env as unknown as Env));
  const keeping = all.map(({ kept$ }) => kept$.subscribe());
  // As many runs, however many they are.
  for (let n = 0, read = 0; read < 8 / instances; read++) {
    for (const { learn } of all)
      for (let run = 0; run < 3; run++) learn({ tag: 'measured', serverUrl: 'http://a', run: aRun(n++), at: 30_000 });
    clock.maxFrames = (read + 1) * 300_000 + 10_000;
    clock.flush();
  }
  keeping.forEach((each) => each.unsubscribe());
  expect(reports).toEqual([]);
  expect(stored.size).toBeGreaterThan(7_000);
  expect(stored.size).toBeLessThanOrEqual(8_400);
});
