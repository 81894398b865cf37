import * as fc from 'fast-check';
import { sharesOfTime } from '../../../../../streams/job/progress/learned/side-by-side';

const shares = (...spans: readonly (readonly [id: string, from: number, to: number])[]) =>
  Object.fromEntries(sharesOfTime(spans.map(([id, from, to]) => ({ id, from, to }))));

test('a node that nothing runs beside has all of its time', () => {
  expect(shares(['a', 0, 10], ['b', 10, 40])).toEqual({ a: 1, b: 1 });
});

test('two side by side have half of it each, while both are at work', () => {
  expect(shares(['a', 0, 10], ['b', 0, 5])).toEqual({ a: 0.75, b: 0.5 });
});

test('what nodes take, weighed so, is what the run takes', () => {
  const span = fc.record({ id: fc.uuid(), from: fc.nat(1_000), took: fc.integer({ min: 1, max: 1_000 }) });
  fc.assert(
    fc.property(fc.array(span, { minLength: 1, maxLength: 20 }), (spans) => {
      // A node from the beginning to the end leaves no gap.
      const all = [...spans, { id: 'all', from: 0, took: 2_000 }];
      const byId = sharesOfTime(all.map(({ id, from, took }) => ({ id, from, to: from + took })));
      const sum = all.reduce((total, { id, took }) => total + took * (byId.get(id) ?? 0), 0);
      expect(sum).toBeCloseTo(2_000, 3);
    }),
  );
});
