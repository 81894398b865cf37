import { remember } from '../../../streams/maps/remember';

test('the one unheard of for longest goes, and is told, where there are more than so many', () => {
  const map = new Map([
    ['a', 1],
    ['b', 2],
  ]);
  expect(remember(map, 'a', 3, 2)).toBeUndefined();
  expect([...map]).toEqual([
    ['b', 2],
    ['a', 3],
  ]);
  expect(remember(map, 'c', 4, 2)).toEqual(['b', 2]);
  expect([...map.keys()]).toEqual(['a', 'c']);
});

test('where none is to be kept, the entry itself goes', () => {
  const map = new Map<string, number>();
  expect(remember(map, 'a', 1, 0)).toEqual(['a', 1]);
  expect(map.size).toBe(0);
});
