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
