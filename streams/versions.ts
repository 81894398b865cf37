/**
 * A map that is never changed, only followed by another: the newest version costs what a `Map` costs, an older one what
 * was changed since. (Baker's rerooting: each version but the newest holds its one difference from the next.)
 */
export interface Versions<V> {
  size(): number;
  get(key: string): V | undefined;
  /** The next version, with this value. */
  with(key: string, value: V): Versions<V>;
  entries(): IterableIterator<readonly [string, V]>;
}

type Cell<V> =
  | { readonly tag: 'newest'; readonly map: Map<string, V> }
  | { readonly tag: 'older'; readonly key: string; readonly value: V | undefined; readonly next: Version<V> };

interface Version<V> extends Versions<V> {
  cell: Cell<V>;
}

/** The first version, with these values; the map is its own from then on. */
export const versionsOf = <V>(map: Map<string, V>): Versions<V> => version<V>({ tag: 'newest', map });

/** Nothing yet: one for all, since an empty `Map` takes 200 bytes. */
export const noVersions: Versions<never> = {
  size: () => 0,
  get: () => undefined,
  with: (key, value) => versionsOf(new Map([[key, value]])),
  entries: () => new Map<string, never>().entries(),
};

function version<V>(cell: Cell<V>): Version<V> {
  return { cell, size: sizeOf, get: valueOf, with: followed, entries: entriesOf };
}

function sizeOf<V>(this: Version<V>): number {
  return mapOf(this).size;
}

function valueOf<V>(this: Version<V>, key: string): V | undefined {
  return mapOf(this).get(key);
}

function entriesOf<V>(this: Version<V>): IterableIterator<readonly [string, V]> {
  return mapOf(this).entries();
}

function followed<V>(this: Version<V>, key: string, value: V): Versions<V> {
  const map = mapOf(this);
  const before = map.get(key);
  if (before === value) return this;
  map.set(key, value);
  const next = version<V>({ tag: 'newest', map });
  this.cell = { tag: 'older', key, value: before, next };
  return next;
}

/** The map as this version has it: the differences on the way to the newest are turned round, one by one. */
function mapOf<V>(wanted: Version<V>): Map<string, V> {
  if (wanted.cell.tag === 'newest') return wanted.cell.map;
  const path: Version<V>[] = [];
  let at = wanted;
  for (; at.cell.tag === 'older'; at = at.cell.next) path.push(at);
  const { map } = at.cell;
  for (let older = path.pop(); older !== undefined; older = path.pop()) {
    if (older.cell.tag !== 'older') continue;
    const { key, value } = older.cell;
    at.cell = { tag: 'older', key, value: map.get(key), next: older };
    if (value === undefined) map.delete(key);
    else map.set(key, value);
    at = older;
  }
  wanted.cell = { tag: 'newest', map };
  return map;
}
