/** Each 30th look reads the states of other instances' jobs again. */
const FORGOTTEN_AFTER = 30;

/**
 * The jobs that other instances watch, whose states a look need not read: their sessions are registered, and an
 * instance that inherits one looks at its jobs. Forgets jobs that the last look did not list, and each 30th look all.
 */
export class WatchedElsewhere {
  #before = new Set<string>();
  #now = new Set<string>();
  #looks = 0;

  /** Call when a look begins. */
  nextLook(): void {
    this.#looks += 1;
    this.#before = this.#looks % FORGOTTEN_AFTER === 0 ? new Set() : this.#now;
    this.#now = new Set();
  }

  has(promptId: string): boolean {
    if (!this.#before.has(promptId)) return false;
    this.#now.add(promptId);
    return true;
  }

  /** Call when a job became this instance's. */
  delete(promptId: string): void {
    this.#before.delete(promptId);
    this.#now.delete(promptId);
  }

  add(promptIds: Iterable<string>): void {
    for (const promptId of promptIds) this.#now.add(promptId);
  }
}
