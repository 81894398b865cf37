/** A long list and its viewport; all but `count` in pixels. */
export interface ListGeometry {
  readonly count: number;
  readonly rowHeight: number;
  /** The viewport's top, from the list's top; negative while the list begins below it. */
  readonly top: number;
  readonly height: number;
}

/** Rows beyond each edge that are drawn before they are in sight. */
const OVERSCAN = 4;

/** The rows to draw: from `first` up to `end`, `end` excluded. */
export function virtualWindow({ count, rowHeight, top, height }: ListGeometry): {
  readonly first: number;
  readonly end: number;
} {
  const first = Math.floor(top / rowHeight) - OVERSCAN;
  const end = Math.ceil((top + height) / rowHeight) + OVERSCAN;
  const within = (n: number): number => Math.max(0, Math.min(n, count));
  return { first: within(first), end: within(end) };
}

/** The row that a key moves to from row `at`; `undefined` if the key does not move. */
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
