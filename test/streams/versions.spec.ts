import fc from 'fast-check';
import { noVersions, versionsOf, type Versions } from '../../streams/versions';

const shown = (versions: Versions<number>) => new Map(versions.entries());

it('each version goes on saying what it said, whichever is asked and followed', () => {
  const change = fc.record({ of: fc.nat(40), key: fc.constantFrom('a', 'b', 'c'), value: fc.nat(3) });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
      const all: { readonly versions: Versions<number>; readonly expected: ReadonlyMap<string, number> }[] = [
        { versions: noVersions, expected: new Map() },
        { versions: versionsOf(new Map([['a', 9]])), expected: new Map([['a', 9]]) },
      ];
      for (const { of, key, value } of changes) {
        const { versions, expected } = all[of % all.length]!;
        all.push({ versions: versions.with(key, value), expected: new Map(expected).set(key, value) });
      }
      for (const { versions, expected } of all) {
        expect(versions.size()).toBe(expected.size);
        expect(versions.get('a')).toBe(expected.get('a'));
        expect(shown(versions)).toEqual(expected);
      }
    }),
  );
});

it('the same value makes no new version', () => {
  const one = noVersions.with('a', 1 as never);
  expect(one.with('a', 1 as never)).toBe(one);
});
