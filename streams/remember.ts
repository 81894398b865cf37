/** Puts a value last, and drops the first where there are more than so many; tells which one went. */
export function remember<V>(map: Map<string, V>, key: string, value: V, most: number): string | undefined {
  map.delete(key);
  map.set(key, value);
  const oldest = map.keys().next();
  if (map.size <= most || oldest.done === true) return undefined;
  map.delete(oldest.value);
  return oldest.value;
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
