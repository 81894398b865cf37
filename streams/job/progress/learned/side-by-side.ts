/** When a node was at work, in ms since 1970. */
export interface Span {
  readonly id: string;
  readonly from: number;
  readonly to: number;
}

/**
 * The share of its time that each node had for itself: 1 if no other node ran beside it, a half beside one other.
 * Nodes' times × shares add up to the run's time.
 */
export function sharesOfTime(spans: readonly Span[]): ReadonlyMap<string, number> {
  const turns = spans
    .filter(({ from, to }) => to > from)
    .flatMap((span) => [
      { at: span.from, span, begins: true },
      { at: span.to, span, begins: false },
    ])
    .sort((a, b) => a.at - b.at);
  /** The nodes at work, with `divided` as it was when each began. */
  const atWork = new Map<Span, number>();
  const shares = new Map<string, number>();
  let divided = 0;
  let since = 0;
  for (const { at, span, begins } of turns) {
    if (atWork.size > 0) divided += (at - since) / atWork.size;
    since = at;
    if (begins) atWork.set(span, divided);
    else {
      shares.set(span.id, (divided - (atWork.get(span) ?? divided)) / (span.to - span.from));
      atWork.delete(span);
    }
  }
  return shares;
}
