import { concat, from, NEVER, Subject, VirtualTimeScheduler, type SchedulerLike } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { throttleBy } from '../../../streams/operators/throttle-by';

interface Value {
  readonly key: string;
  readonly status: string;
  readonly n: number;
}

const scheduler = () => new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
const values: Record<string, Value> = {
  a: { key: 'a', status: 'on', n: 1 },
  b: { key: 'a', status: 'on', n: 2 },
  c: { key: 'a', status: 'on', n: 3 },
  d: { key: 'a', status: 'off', n: 4 },
  x: { key: 'x', status: 'on', n: 1 },
  y: { key: 'x', status: 'on', n: 2 },
};
const paced = (clock: SchedulerLike) =>
  throttleBy<Value>({ keyOf: ({ key }) => key, spaceMs: () => 4, kindOf: ({ status }) => status, clock });

test('passes the first at once, then the newest each time', () => {
  const clock = scheduler();
  clock.run(({ hot, expectObservable }) => {
    const source$ = hot(' abc-------|', values);
    const expected = '    a---c-----|';
    expectObservable(source$.pipe(paced(clock))).toBe(expected, values);
  });
});

test('keeps the distance also from what passed late', () => {
  const clock = scheduler();
  clock.run(({ hot, expectObservable }) => {
    const source$ = hot(' ab---c-----|', values);
    const expected = '    a---b---c--|';
    expectObservable(source$.pipe(paced(clock))).toBe(expected, values);
  });
});

test('passes at once what comes after a rest', () => {
  const clock = scheduler();
  clock.run(({ hot, expectObservable }) => {
    const source$ = hot(' a-----b----|', values);
    const expected = '    a-----b----|';
    expectObservable(source$.pipe(paced(clock))).toBe(expected, values);
  });
});

test('paces each key for itself', () => {
  const clock = scheduler();
  clock.run(({ hot, expectObservable }) => {
    const source$ = hot(' abxy-------|', values);
    const expected = '    a-x-b-y----|';
    expectObservable(source$.pipe(paced(clock))).toBe(expected, values);
  });
});

test('keys that have rested pass together, some time after others did', () => {
  const clock = scheduler();
  clock.run(({ hot, expectObservable }) => {
    const source$ = hot(' axbyc----------|', values);
    const expected = '    ax--c--y-------|';
    const gathered = throttleBy<Value>({
      keyOf: ({ key }) => key,
      spaceMs: () => 4,
      kindOf: () => 'any',
      gatherMs: 3,
      clock,
    });
    expectObservable(source$.pipe(gathered)).toBe(expected, values);
  });
});

test('a clock that was set back does not hold up what gathers', () => {
  const clock = new VirtualTimeScheduler();
  let now = 10_000;
  const set = { now: () => now, schedule: clock.schedule.bind(clock) };
  const gathered = throttleBy<Value>({
    keyOf: ({ key }) => key,
    spaceMs: () => 0,
    kindOf: () => 'any',
    gatherMs: 3,
    clock: set,
  });
  const passed: number[] = [];
  const source$ = new Subject<Value>();
  source$.pipe(gathered).subscribe(({ n }) => passed.push(n));
  source$.next(values['a']!);
  clock.flush();
  now = 0;
  source$.next(values['x']!);
  clock.flush();
  expect(clock.now()).toBeLessThan(10);
});

test('passes at once what is urgent, in place of what waited, and paces from there', () => {
  const clock = scheduler();
  clock.run(({ hot, expectObservable }) => {
    const source$ = hot(' abd-a------|', values);
    const expected = '    a-d-a------|';
    expectObservable(source$.pipe(paced(clock))).toBe(expected, values);
  });
});

test('holds back after something urgent as after anything', () => {
  const clock = scheduler();
  clock.run(({ hot, expectObservable }) => {
    const source$ = hot(' a-dd-------|', values);
    const expected = '    a-d---d----|';
    expectObservable(source$.pipe(paced(clock))).toBe(expected, values);
  });
});

test('lets go of what waits when the source completes', () => {
  const clock = scheduler();
  clock.run(({ hot, expectObservable }) => {
    const source$ = hot(' abx|  ', values);
    const expected = '    a-x(b|)';
    expectObservable(source$.pipe(paced(clock))).toBe(expected, values);
  });
});

test('passes an error at once', () => {
  const clock = scheduler();
  clock.run(({ hot, expectObservable }) => {
    const source$ = hot(' ab#', values);
    const expected = '    a-#';
    expectObservable(source$.pipe(paced(clock))).toBe(expected, values);
  });
});

test('an early unsubscribe ends the source', () => {
  const clock = scheduler();
  clock.run(({ hot, expectObservable, expectSubscriptions }) => {
    const source$ = hot(' ab------', values);
    const stop = '        ^-!     ';
    const expected = '    a-------';
    expectObservable(source$.pipe(paced(clock)), stop).toBe(expected, values);
    expectSubscriptions(source$.subscriptions).toBe(stop);
  });
});

test('the more keys there are, the longer each rests', () => {
  const clock = scheduler();
  clock.run(({ hot, expectObservable }) => {
    const source$ = hot(' axby-----------|', values);
    const expected = '    ax--b----y-----|';
    const byKeys = throttleBy<Value>({
      keyOf: ({ key }) => key,
      spaceMs: (keys) => 4 * keys,
      kindOf: () => 'any',
      clock,
    });
    expectObservable(source$.pipe(byKeys)).toBe(expected, values);
  });
});

test('an early unsubscribe leaves no timer, of which there is one for all keys', () => {
  const clock = new VirtualTimeScheduler();
  const subscription = concat(from([values['a']!, values['b']!, values['x']!]), NEVER)
    .pipe(paced(clock))
    .subscribe();
  expect(clock.actions).toHaveLength(1);
  subscription.unsubscribe();
  expect(clock.actions).toHaveLength(0);
});
