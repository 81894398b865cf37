import { lastValueFrom, of, range, Subject, toArray } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { conflateMapBy } from '../../../streams/operators/conflate-map-by';

interface Value {
  readonly key: string;
  readonly n: number;
}

const marbles = () => new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
const values: Record<string, Value> = {
  a: { key: 'a', n: 1 },
  b: { key: 'a', n: 2 },
  c: { key: 'a', n: 3 },
  x: { key: 'x', n: 1 },
  y: { key: 'y', n: 1 },
};
const keyOf = ({ key }: Value) => key;

test('runs one projection a key, and of what arrives meanwhile only the newest', () => {
  marbles().run(({ hot, cold, expectObservable, expectSubscriptions }) => {
    const source$ = hot(' abc-------| ', values);
    const inner$ = cold(' ----v|      ', { v: values['a']! });
    const first = '       ^----!      ';
    const second = '      -----^----! ';
    const expected = '    ----v----v| ';
    expectObservable(source$.pipe(conflateMapBy(keyOf, () => inner$))).toBe(expected, { v: values['a'] });
    expectSubscriptions(inner$.subscriptions).toBe([first, second]);
  });
});

test('gives each projection the value it is for', () => {
  marbles().run(({ hot, cold, expectObservable }) => {
    const source$ = hot(' abc------|', values);
    const expected = '    --a--c---|';
    expectObservable(source$.pipe(conflateMapBy(keyOf, (value) => cold('--v|', { v: value })))).toBe(expected, values);
  });
});

test('runs the keys beside each other', () => {
  marbles().run(({ hot, cold, expectObservable }) => {
    const source$ = hot(' axy---|', values);
    const expected = '    ---axy|';
    expectObservable(source$.pipe(conflateMapBy(keyOf, (value) => cold('---v|', { v: value })))).toBe(expected, values);
  });
});

test('runs no more than `concurrent` at once, the rest in the order of their keys', () => {
  marbles().run(({ hot, cold, expectObservable }) => {
    const source$ = hot(' (axy)|       ', values);
    const expected = '    -----(ax)--y|';
    const slowly = (value: Value) => cold('-----v|', { v: value });
    expectObservable(source$.pipe(conflateMapBy(keyOf, slowly, 2))).toBe(expected, values);
  });
});

test('a key that waits keeps its place as its value is replaced', () => {
  marbles().run(({ hot, cold, expectObservable }) => {
    const source$ = hot(' xayb--------|', values);
    const expected = '    ----x---b---(y|)';
    const slowly = (value: Value) => cold('----(v|)', { v: value });
    expectObservable(source$.pipe(conflateMapBy(keyOf, slowly, 1))).toBe(expected, values);
  });
});

test('completes when the source has and the last projection is done', () => {
  marbles().run(({ hot, cold, expectObservable }) => {
    const source$ = hot(' ab|       ', values);
    const expected = '    ---a--(b|)';
    const slowly = (value: Value) => cold('---(v|)', { v: value });
    expectObservable(source$.pipe(conflateMapBy(keyOf, slowly))).toBe(expected, values);
  });
});

test('an error of a projection ends all', () => {
  marbles().run(({ hot, cold, expectObservable, expectSubscriptions }) => {
    const source$ = hot(' ax-----', values);
    const lasting$ = cold('--------');
    const failing$ = cold('--#     ');
    const alive = '       ^--!    ';
    const expected = '    ---#    ';
    const project = ({ key }: Value) => (key === 'x' ? failing$ : lasting$);
    expectObservable(source$.pipe(conflateMapBy(keyOf, project))).toBe(expected);
    expectSubscriptions(source$.subscriptions).toBe(alive);
    expectSubscriptions(lasting$.subscriptions).toBe(alive);
  });
});

test('an early unsubscribe ends the source and every projection', () => {
  marbles().run(({ hot, cold, expectObservable, expectSubscriptions }) => {
    const source$ = hot(' ax-----', values);
    const inner$ = cold(' --------');
    const stop = '        ^---!   ';
    const first = '       ^---!   ';
    const second = '      -^--!   ';
    expectObservable(source$.pipe(conflateMapBy(keyOf, () => inner$)), stop).toBe('-----');
    expectSubscriptions(source$.subscriptions).toBe(stop);
    expectSubscriptions(inner$.subscriptions).toBe([first, second]);
  });
});

test('projections that end at once neither stall nor overflow the stack', async () => {
  const all$ = range(0, 100_000).pipe(
    conflateMapBy(
      (n) => `${n}`,
      (n) => of(n),
      2,
    ),
    toArray(),
  );
  expect(await lastValueFrom(all$)).toHaveLength(100_000);
});

test('a key is not forgotten whose projection ends while another one begins', () => {
  marbles().run(({ hot, expectObservable }) => {
    const first$ = new Subject<Value>();
    const source$ = hot(' abx-----|', values);
    const expected = '    --(xb)--|';
    const project = (value: Value) => {
      if (value === values['a']) return first$;
      if (value === values['x']) first$.complete();
      return of(value);
    };
    expectObservable(source$.pipe(conflateMapBy(keyOf, project))).toBe(expected, values);
  });
});
