/**
 * An immutable map whose versions share memory. Up to 8 entries are a linked list. Beyond that the newest version is a
 * `Map`, and each older one holds its one difference from the next (Baker's rerooting), so reading an old version costs
 * as many steps as there were changes since.
 */
export interface Versions<V> {
  size(): number;
  get(key: string): V | undefined;
  /** A further version with this value; without the key if the value is `undefined`. */
  with(key: string, value: V | undefined): Versions<V>;
  entries(): IterableIterator<readonly [string, V]>;
}

/** Entries of a linked list, 48 bytes each: an empty `Map` takes 184 bytes, and most runs have few entries. */
const FEW = 8;

/** A first version with these values. It takes the map over: do not change it afterwards. */
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

/** The empty version, shared by all. */
export const noVersions: Versions<never> = new Nothing<never>();

/** The last entry of a linked list, with the version before it. */
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

/**
 * Makes this version the one that holds the `Map`, by reversing each difference between it and the newest; returns the
 * map.
 */
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
