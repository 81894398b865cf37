/** What the last `status` that made a queue one shorter told. */
interface Fell {
  readonly remaining: number;
  readonly clientId: string;
}

/**
 * Tells the ends of runs on one server from waiting jobs that were removed. ComfyUI sends a `status` when a run ends and
 * another when it takes the next job, which is as long; a removal sends one, but for that of the only job that waits. So
 * while a job of ours waits, two of the same length over one socket are a run's end.
 */
export class RunEnds {
  #remaining: number | undefined;
  #fell: Fell | undefined;

  /** Takes in a `status`. Whether it is the second one of a run's end. */
  told(remaining: number, clientId: string): boolean {
    const before = this.#remaining;
    const fell = this.#fell;
    this.#remaining = remaining;
    if (remaining === before) {
      const isEnd = fell?.remaining === remaining && fell.clientId === clientId;
      if (isEnd) this.#fell = undefined;
      return isEnd;
    }
    this.#fell = before !== undefined && remaining === before - 1 ? { remaining, clientId } : undefined;
    return false;
  }
}
