import fc from 'fast-check';
import { noVersions, versionsOf, type Versions } from '../../../streams/maps/versions';

const keys = Array.from({ length: 16 }, (_, n) => String.fromCharCode(97 + n));
const many = () => new Map(keys.slice(4).map((key, n) => [key, n]));

it('each version goes on saying what it said, whichever is asked and followed', () => {
  // Few keys and many: the one is a chain, the other a map.
  const key = fc.oneof(fc.constantFrom('a', 'b', 'c'), fc.constantFrom(...keys));
  const value = fc.oneof({ weight: 3, arbitrary: fc.nat(3) }, fc.constant(undefined));
  const change = fc.record({ of: fc.nat(80), key, value });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 80, size: 'max' }), (changes) => {
      const all: { readonly versions: Versions<number>; readonly expected: ReadonlyMap<string, number> }[] = [
        { versions: noVersions, expected: new Map() },
        { versions: versionsOf(new Map([['a', 9]])), expected: new Map([['a', 9]]) },
        { versions: versionsOf(many()), expected: many() },
      ];
      for (const { of, key, value } of changes) {
        const { versions, expected } = all[of % all.length]!;
        const next = new Map(expected);
        if (value === undefined) next.delete(key);
        else next.set(key, value);
        all.push({ versions: versions.with(key, value), expected: next });
      }
      const said = ({ versions }: (typeof all)[number]) => [
        versions.size(),
        versions.get('a'),
        [...versions.entries()].sort(),
      ];
      expect(all.map(said)).toEqual(
        all.map(({ expected }) => [expected.size, expected.get('a'), [...expected.entries()].sort()]),
      );
    }),
  );
});

it('the same value makes no new version', () => {
  const one = noVersions.with('a', 1 as never);
  expect(one.with('a', 1 as never)).toBe(one);
});
