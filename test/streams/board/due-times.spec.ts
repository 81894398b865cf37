import { dueTimes } from '../../../streams/board/due-times';

test('a key is due from its second on', () => {
  const times = dueTimes();
  times.set('a', 2_500);
  expect([times.until(1_999), times.until(2_000), times.until(90_000)]).toEqual([[], ['a'], ['a']]);
});

test('a key that is moved is due at its new time alone', () => {
  const times = dueTimes();
  times.set('a', 2_000);
  times.set('a', 9_000);
  expect([times.until(8_999), times.until(9_000)]).toEqual([[], ['a']]);
});

test('a key that is moved to no time, or deleted, is forgotten, and no other', () => {
  const times = dueTimes();
  for (const key of ['a', 'b', 'c']) times.set(key, 2_000);
  times.set('a', Number.POSITIVE_INFINITY);
  times.delete('b');
  times.delete('unknown');
  expect(times.until(90_000)).toEqual(['c']);
  times.set('b', 3_000);
  expect(times.until(90_000)).toEqual(['c', 'b']);
});

test('what is due later than it can have been planned is due too, and what lies between is not', () => {
  const times = dueTimes();
  times.set('soon', 2_000);
  times.set('between', 30_000);
  times.set('absurd', 3_600_000);
  expect(times.until(2_000, 60_000)).toEqual(['soon', 'absurd']);
});
