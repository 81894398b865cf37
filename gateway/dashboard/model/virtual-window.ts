/** How a long list lies in its viewport, in pixels. */
export interface ListGeometry {
  readonly count: number;
  readonly rowHeight: number;
  /** Where the viewport begins, from the list's top; negative while the list begins below it. */
  readonly top: number;
  readonly height: number;
}

/** Rows beyond each edge that are there before they are seen. */
const OVERSCAN = 4;

/** Which rows to have: from `first` up to, and without, `end`. */
export function virtualWindow({ count, rowHeight, top, height }: ListGeometry): {
  readonly first: number;
  readonly end: number;
} {
  const first = Math.floor(top / rowHeight) - OVERSCAN;
  const end = Math.ceil((top + height) / rowHeight) + OVERSCAN;
  const within = (n: number): number => Math.max(0, Math.min(n, count));
  return { first: within(first), end: within(end) };
}

/** Which row a key leads to from row `at`, if any. */
export function rowAfter(
  key: string,
  at: number,
  { count, rowHeight, height }: Omit<ListGeometry, 'top'>,
): number | undefined {
  const page = Math.max(1, Math.floor(height / rowHeight) - 1);
  const steps: Readonly<Record<string, number>> = {
    ArrowDown: at + 1,
    ArrowUp: at - 1,
    PageDown: at + page,
    PageUp: at - page,
    Home: 0,
    End: count - 1,
  };
  const to = steps[key];
  return to === undefined || count === 0 ? undefined : Math.max(0, Math.min(to, count - 1));
}
