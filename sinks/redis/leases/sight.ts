import type { SessionKey } from '../../leases';

/** What is known of a session from outside. */
export type Sight =
  | { readonly tag: 'orphan'; readonly session: SessionKey }
  | { readonly tag: 'ours' }
  | { readonly tag: 'another’s'; readonly leftMs: number };

export interface Orphans {
  readonly sessions: readonly SessionKey[];
  readonly nextInMs?: number;
}

/** What is found, with one session more. */
export function withSight({ sessions, nextInMs = Number.POSITIVE_INFINITY }: Orphans, sight: Sight): Orphans {
  const found = sight.tag === 'orphan' ? [...sessions, sight.session] : sessions;
  const next = sight.tag === 'another’s' ? Math.min(nextInMs, sight.leftMs) : nextInMs;
  return { sessions: found, ...(Number.isFinite(next) && { nextInMs: next }) };
}
