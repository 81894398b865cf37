/** Chance that comes out the same for the same seed. */
export interface Chance {
  /** 0 to 1. */
  number(): number;
  between(least: number, most: number): number;
  /** A whole number from `least` to `most`, both included. */
  whole(least: number, most: number): number;
  pick<T>(some: readonly T[]): T;
  shuffled<T>(some: readonly T[]): T[];
}

/** Chance of that seed (mulberry32). */
export function seeded(seed: number): Chance {
  let at = seed >>> 0;
  const number = (): number => {
    at = (at + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(at ^ (at >>> 15), at | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const between = (least: number, most: number): number => least + number() * (most - least);
  const whole = (least: number, most: number): number => Math.floor(between(least, most + 1));
  const chance: Chance = {
    number,
    between,
    whole,
    pick: (some) => {
      if (some.length === 0) throw new RangeError('nothing to pick from');
      return some[whole(0, some.length - 1)]!;
    },
    shuffled: (some) => {
      const left = [...some];
      for (let n = left.length - 1; n > 0; n -= 1) {
        const other = whole(0, n);
        [left[n], left[other]] = [left[other]!, left[n]!];
      }
      return left;
    },
  };
  return chance;
}
