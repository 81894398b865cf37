/** What a value that would be one too many is called. */
export const OTHER = 'other';

/** Lets the first `most` values of a label through; whatever else comes is `other`. */
export function boundedLabel(most: number): (value: string) => string {
  const known = new Set<string>();
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
