/** When a node was at work, in ms since 1970. */
export interface Span {
  readonly id: string;
  readonly from: number;
  readonly to: number;
}

/**
 * Which share of its time each node had the run to itself: 1 where nothing ran beside it, a half beside one other. What
 * nodes take, weighed so, adds up to what the run takes.
 */
export function sharesOfTime(spans: readonly Span[]): ReadonlyMap<string, number> {
  const turns = spans
    .filter(({ from, to }) => to > from)
    .flatMap((span) => [
      { at: span.from, span, begins: true },
      { at: span.to, span, begins: false },
    ])
    .sort((a, b) => a.at - b.at);
  /** Of the nodes at work, what had been divided up when they began. */
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
