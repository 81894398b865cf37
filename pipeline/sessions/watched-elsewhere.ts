/** Every 30th look reads anew the jobs that other instances watch. */
const FORGOTTEN_AFTER = 30;

/**
 * The jobs that other instances watch, by their states. Their sessions are registered: whoever inherits one of those
 * looks at its jobs. Those that are listed no more are forgotten, and every now and then all.
 */
export class WatchedElsewhere {
  #before = new Set<string>();
  #now = new Set<string>();
  #looks = 0;

  /** A new look begins. */
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

  /** A job is this instance's now. */
  delete(promptId: string): void {
    this.#before.delete(promptId);
    this.#now.delete(promptId);
  }

  add(promptIds: Iterable<string>): void {
    for (const promptId of promptIds) this.#now.add(promptId);
  }
}
