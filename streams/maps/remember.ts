/** The value of a key; where it has none, the one that `make` makes, which is kept from now on. */
export function getOrInsert<K, V>(map: Inserted<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
/** What is used of a `Map` or `WeakMap`. */
interface Inserted<K, V> {
  get(key: K): V | undefined;
  set(key: K, value: V): unknown;
}

/** Puts an entry last. If there are more than `most` then, drops the first entry and returns it. */
export function remember<K, V>(map: Map<K, V>, key: K, value: V, most: number): readonly [K, V] | undefined {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map;
  if (map.size <= most || oldest === undefined) return undefined;
  map.delete(oldest[0]);
  return oldest;
}

/** Returns one shared copy of equal texts, to save memory. Forgets all once it knows `most` texts. */
export function copies(most: number): (text: string) => string {
  const texts = new Map<string, string>();
  return (text) => {
    const known = texts.get(text);
    if (known !== undefined) return known;
    if (texts.size >= most) texts.clear();
    texts.set(text, text);
    return text;
  };
}

/** Gives a value, or the one that had the key before it where that is the same: of what many jobs have, one copy is kept. Forgets all past so many keys. */
export function likeLast<V>(isSame: (a: V, b: V) => boolean, most: number): (key: string, value: V) => V {
  const values = new Map<string, V>();
  return (key, value) => {
    const last = values.get(key);
    if (last !== undefined && isSame(last, value)) return last;
    if (values.size >= most) values.clear();
    values.set(key, value);
    return value;
  };
}
