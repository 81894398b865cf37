import { NEVER, tap, type SchedulerLike } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { Overslept, errorAfterSleep } from '../../../streams/operators/error-after-sleep';

const marbles = (): TestScheduler => new TestScheduler((actual, expected) => expect(actual).toEqual(expected));

/** A clock that can be put forward, as it is when a process stands still: no timer runs meanwhile. */
function clockOf(scheduler: TestScheduler): { readonly clock: SchedulerLike; readonly sleep: (ms: number) => void } {
  let asleepMs = 0;
  return {
    clock: { now: () => scheduler.now() + asleepMs, schedule: scheduler.schedule.bind(scheduler) },
    sleep: (ms) => (asleepMs += ms),
  };
}

const overslept = (ms: number): Overslept => new Overslept(ms);

test('[R11] hands on what comes while the process is awake, and completes with its source', () => {
  marbles().run(({ cold, expectObservable }) => {
    const { clock } = clockOf(marbles());
    expectObservable(cold('-a-b 5s c|').pipe(errorAfterSleep(() => true, 2, clock))).toBe('-a-b 5s c|');
    expectObservable(cold('-a-#').pipe(errorAfterSleep(() => true, 2, clock))).toBe('-a-#');
  });
});

test('[R11] news that comes first after a sleep is not handed on where all is doubtful', () => {
  const scheduler = marbles();
  scheduler.run(({ cold, expectObservable }) => {
    const { clock, sleep } = clockOf(scheduler);
    const news$ = cold('-a---b-c-').pipe(tap((value) => value === 'b' && sleep(12_000)));
    expectObservable(news$.pipe(errorAfterSleep(() => true, 10, clock))).toBe('-a---#', undefined, overslept(12_004));
  });
});

test('[R11] a sleep is noticed by the tick that comes first as well', () => {
  const scheduler = marbles();
  scheduler.run(({ cold, expectObservable }) => {
    const { clock, sleep } = clockOf(scheduler);
    cold('---a').subscribe(() => sleep(12_000));
    expectObservable(cold('-a--------b').pipe(errorAfterSleep(() => true, 5, clock))).toBe(
      '-a---#',
      undefined,
      overslept(12_004),
    );
  });
});

test('a sleep costs nothing where nothing is doubtful by it, nor does one too short to matter', () => {
  const scheduler = marbles();
  scheduler.run(({ cold, expectObservable }) => {
    const { clock, sleep } = clockOf(scheduler);
    const news$ = cold('-a-b-(c|)').pipe(tap(() => sleep(12_000)));
    expectObservable(news$.pipe(errorAfterSleep(() => false, 10, clock))).toBe('-a-b-(c|)');
    const short = clockOf(scheduler);
    const soon$ = cold('-a-b-(c|)').pipe(tap(() => short.sleep(1_900)));
    expectObservable(soon$.pipe(errorAfterSleep(() => true, 10, short.clock))).toBe('-a-b-(c|)');
  });
});

test('leaves no timer behind', () => {
  const scheduler = marbles();
  scheduler.run(({ expectObservable }) => {
    const { clock } = clockOf(scheduler);
    expectObservable(NEVER.pipe(errorAfterSleep(() => true, 5, clock)), '^ 20ms !').toBe('-');
  });
});
