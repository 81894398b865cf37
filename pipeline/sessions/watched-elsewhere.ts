/** Each 30th look reads the states of other instances' jobs again. */
const FORGOTTEN_AFTER = 30;

/**
 * The jobs of sessions that are not held here, whose states a look need not read: the sessions are registered, and an
 * instance that inherits one looks at its jobs. Forgets jobs that the last look did not list, and each 30th look all.
 */
export class WatchedElsewhere {
  readonly #isHeld: (clientId: string) => boolean;
  /** The session of each job. */
  #before: ReadonlyMap<string, string> = new Map();
  #now = new Map<string, string>();
  #looks = 0;

  constructor(isHeld: (clientId: string) => boolean) {
    this.#isHeld = isHeld;
  }

  /** Call when a look begins. */
  nextLook(): void {
    this.#looks += 1;
    this.#before = this.#looks % FORGOTTEN_AFTER === 0 ? new Map() : this.#now;
    this.#now = new Map();
  }

  /** Not once its session is held here: the list of that session's jobs may have been lost, or lack some. */
  has(promptId: string): boolean {
    const clientId = this.#before.get(promptId);
    if (clientId === undefined || this.#isHeld(clientId)) return false;
    this.#now.set(promptId, clientId);
    return true;
  }

  /** Adds jobs, each with its session. */
  add(jobs: Iterable<readonly [promptId: string, clientId: string]>): void {
    for (const [promptId, clientId] of jobs) this.#now.set(promptId, clientId);
  }
}
