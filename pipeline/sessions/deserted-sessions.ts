import type { SessionKey } from '../../sinks/leases';

/**
 * After an hour without a holder: another service with that server in its settings may be down for so long, and a state
 * lives for two.
 */
const DESERTED_MS = 3_600_000;
/**
 * How much of the time between two sweeps counts at most, ms: a process that stood still, with others on its machine,
 * or whose clock was set, knows nothing of the rest.
 */
const SEEN_MS = 10_000;

/** Sessions on servers that are not in this instance's settings: it takes one only if nobody else has for an hour. */
export class Deserted {
  readonly #isServed: (serverUrl: string) => boolean;
  /** For how long each was seen without a holder, ms, in every sweep of that time. */
  #seenMs: ReadonlyMap<string, number> = new Map();
  #sweptAt = 0;

  constructor(isServed: (serverUrl: string) => boolean) {
    this.#isServed = isServed;
  }

  /** The orphans of one sweep without those that other services may still come back for. */
  without(orphans: readonly SessionKey[], now: number): readonly SessionKey[] {
    const before = this.#seenMs;
    const sinceMs = Math.min(SEEN_MS, Math.max(0, now - this.#sweptAt));
    this.#sweptAt = now;
    const seenMs = (clientId: string): number => (before.get(clientId) ?? -sinceMs) + sinceMs;
    const others = orphans.filter(({ serverUrl }) => !this.#isServed(serverUrl));
    this.#seenMs = new Map(others.map(({ clientId }) => [clientId, seenMs(clientId)]));
    return orphans.filter(({ clientId }) => (this.#seenMs.get(clientId) ?? DESERTED_MS) >= DESERTED_MS);
  }
}
