/** Puts a value last, and drops the first where there are more than so many; tells which one went. */
export function remember<V>(map: Map<string, V>, key: string, value: V, most: number): string | undefined {
  map.delete(key);
  map.set(key, value);
  const oldest = map.keys().next();
  if (map.size <= most || oldest.done === true) return undefined;
  map.delete(oldest.value);
  return oldest.value;
}
