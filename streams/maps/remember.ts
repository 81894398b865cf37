/** Puts an entry last, and drops the first where there are more than so many; tells which one went. */
export function remember<K, V>(map: Map<K, V>, key: K, value: V, most: number): readonly [K, V] | undefined {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map;
  if (map.size <= most || oldest === undefined) return undefined;
  map.delete(oldest[0]);
  return oldest;
}

/** Gives one copy of each text: for those of which many are alike, and many are kept. Forgets all past so many. */
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
