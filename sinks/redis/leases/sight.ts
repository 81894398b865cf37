import type { SessionKey } from '../../leases';

/** Who holds a session, as a sweep sees it. */
export type Sight =
  | { readonly tag: 'orphan'; readonly session: SessionKey }
  | { readonly tag: 'ours' }
  | { readonly tag: 'another’s'; readonly leftMs: number };

export interface Orphans {
  readonly sessions: readonly SessionKey[];
  readonly nextInMs?: number;
}

/** Adds one session to what a sweep found. */
export function withSight({ sessions, nextInMs = Number.POSITIVE_INFINITY }: Orphans, sight: Sight): Orphans {
  const found = sight.tag === 'orphan' ? [...sessions, sight.session] : sessions;
  const next = sight.tag === 'another’s' ? Math.min(nextInMs, sight.leftMs) : nextInMs;
  return { sessions: found, ...(Number.isFinite(next) && { nextInMs: next }) };
}
