import type { SessionKey } from '../../sinks/leases';

/**
 * After an hour without a holder: another service with that server in its settings may be down for so long, and a state
 * lives for two.
 */
const DESERTED_MS = 3_600_000;

/** Sessions on servers that are not in this instance's settings: it takes one only if nobody else has for an hour. */
export class Deserted {
  readonly #isServed: (serverUrl: string) => boolean;
  /** When each was first seen without a holder, ms since 1970, and in each sweep since. */
  #since: ReadonlyMap<string, number> = new Map();

  constructor(isServed: (serverUrl: string) => boolean) {
    this.#isServed = isServed;
  }

  /** The orphans of one sweep without those that other services may still come back for. */
  without(orphans: readonly SessionKey[], now: number): readonly SessionKey[] {
    const before = this.#since;
    const others = orphans.filter(({ serverUrl }) => !this.#isServed(serverUrl));
    this.#since = new Map(others.map(({ clientId }) => [clientId, Math.min(now, before.get(clientId) ?? now)]));
    return orphans.filter(
      ({ clientId, serverUrl }) => this.#isServed(serverUrl) || now - (before.get(clientId) ?? now) >= DESERTED_MS,
    );
  }
}
