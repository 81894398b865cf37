import { getOrInsert } from './remember';

/** Sets of values by key; a key without values is not kept. */
export function setsByKey<K, V>() {
  const all = new Map<K, Set<V>>();
  const none: ReadonlySet<V> = new Set();
  return {
    all: all as ReadonlyMap<K, ReadonlySet<V>>,
    of: (key: K): ReadonlySet<V> => all.get(key) ?? none,
    add: (key: K, value: V): void => void getOrInsert(all, key, () => new Set()).add(value),
    delete: (key: K, value: V): void => {
      const values = all.get(key);
      values?.delete(value);
      if (values?.size === 0) all.delete(key);
    },
  };
}
