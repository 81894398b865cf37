/**
 * A map that is never changed, only followed by another. A few entries stand in a chain; of many, the newest version costs
 * what a `Map` costs, an older one what was changed since. (Baker's rerooting: each version but the newest holds its one
 * difference from the next.)
 */
export interface Versions<V> {
  size(): number;
  get(key: string): V | undefined;
  /** The next version, with this value; without the key where that is `undefined`. */
  with(key: string, value: V | undefined): Versions<V>;
  entries(): IterableIterator<readonly [string, V]>;
}

/** So many entries are a chain, 48 bytes each: a `Map` takes 184 before it holds anything, and of most runs there is little to hold. */
const FEW = 8;

/** The first version, with these values; the map is its own from then on. */
export function versionsOf<V>(map: Map<string, V>): Versions<V> {
  if (map.size > FEW) return new Many<V>({ tag: 'newest', map });
  let few: Versions<V> = noVersions;
  for (const [key, value] of map) few = few.with(key, value);
  return few;
}

class Nothing<V> implements Versions<V> {
  size(): number {
    return 0;
  }

  get(): V | undefined {
    return undefined;
  }

  with(key: string, value: V | undefined): Versions<V> {
    return value === undefined ? this : new Few(key, value, this);
  }

  entries(): IterableIterator<readonly [string, V]> {
    return [].values();
  }
}

/** Nothing yet: one for all. */
export const noVersions: Versions<never> = new Nothing<never>();

/** An entry, and those that came before it. */
class Few<V> implements Versions<V> {
  constructor(
    readonly key: string,
    readonly value: V,
    readonly before: Versions<V>,
  ) {}

  size(): number {
    return this.before.size() + 1;
  }

  get(key: string): V | undefined {
    return key === this.key ? this.value : this.before.get(key);
  }

  with(key: string, value: V | undefined): Versions<V> {
    if (this.get(key) === value) return this;
    if (key === this.key) return value === undefined ? this.before : new Few(key, value, this.before);
    const isThere = this.before.get(key) !== undefined;
    if (isThere) return new Few(this.key, this.value, this.before.with(key, value));
    if (this.size() < FEW) return value === undefined ? this : new Few(key, value, this);
    return new Many<V>({ tag: 'newest', map: new Map(this.entries()) }).with(key, value);
  }

  entries(): IterableIterator<readonly [string, V]> {
    return [...this.before.entries(), [this.key, this.value] as const].values();
  }
}

type Cell<V> =
  | { readonly tag: 'newest'; readonly map: Map<string, V> }
  | { readonly tag: 'older'; readonly key: string; readonly value: V | undefined; readonly next: Many<V> };

class Many<V> implements Versions<V> {
  constructor(public cell: Cell<V>) {}

  size(): number {
    return mapOf(this).size;
  }

  get(key: string): V | undefined {
    return mapOf(this).get(key);
  }

  with(key: string, value: V | undefined): Versions<V> {
    const map = mapOf(this);
    const before = map.get(key);
    if (before === value) return this;
    if (value === undefined && map.size === 1) return noVersions;
    set(map, key, value);
    const next = new Many<V>({ tag: 'newest', map });
    this.cell = { tag: 'older', key, value: before, next };
    return next;
  }

  entries(): IterableIterator<readonly [string, V]> {
    return mapOf(this).entries();
  }
}

/** The map as this version has it: the differences on the way to the newest are turned round, one by one. */
function mapOf<V>(wanted: Many<V>): Map<string, V> {
  if (wanted.cell.tag === 'newest') return wanted.cell.map;
  const path: Many<V>[] = [];
  let at = wanted;
  for (; at.cell.tag === 'older'; at = at.cell.next) path.push(at);
  const { map } = at.cell;
  for (let older = path.pop(); older !== undefined; older = path.pop()) {
    if (older.cell.tag !== 'older') continue;
    const { key, value } = older.cell;
    at.cell = { tag: 'older', key, value: map.get(key), next: older };
    set(map, key, value);
    at = older;
  }
  wanted.cell = { tag: 'newest', map };
  return map;
}

function set<V>(map: Map<string, V>, key: string, value: V | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}
