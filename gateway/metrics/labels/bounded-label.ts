/** What a value that would be one too many is called. */
const OTHER = 'other';

/** Lets the first `most` values of a label through, those given first of all; whatever else comes is `other`. */
export function boundedLabel(most: number, first: readonly string[] = []): (value: string) => string {
  const known = new Set(first.slice(0, most));
  return (value) => {
    if (known.has(value)) return value;
    if (known.size >= most) return OTHER;
    known.add(value);
    return value;
  };
}

/** Lets these values through and no others. */
export function knownLabel(values: readonly string[]): (value: string) => string {
  const known = new Set(values);
  return (value) => (known.has(value) ? value : OTHER);
}
