/** When a job is looked up, in milliseconds from what the name says. */
export interface Timing {
  /** After a frame or a look, while the job's socket is open: the slow audit (R8). */
  readonly auditMs: number;
  /** After the socket was lost, before polling takes over (R8). */
  readonly takeoverMs: number;
  /** Between polls while there is no socket of the job's own. */
  readonly pollMs: number;
  /** Between looks at a job that was not found (R4). */
  readonly suspectMs: number;
  /** After a `status` that leaves no room for the job, or a success whose outputs are not there yet. */
  readonly soonMs: number;
  /** From the first good look that found a job nowhere, at least this long before it is lost (R4). */
  readonly lostAfterMs: number;
  /** A `status` must follow an accepted workflow, and frames a look's news, within this time (R7). */
  readonly deafMs: number;
  /**
   * A running job's socket may be silent this long before it is opened anew (R7); doubles while nothing comes. Nodes that
   * are silent for a minute are common, and a job's end is found by the audit meanwhile.
   */
  readonly quietMs: number;
  /** The same after a socket was cut off, when an older one may still evict it. */
  readonly trapQuietMs: number;
  /** The longest that `quietMs` grows to. */
  readonly maxQuietMs: number;
}

export const defaultTiming: Timing = {
  auditMs: 30_000,
  takeoverMs: 2_000,
  pollMs: 3_000,
  suspectMs: 5_100,
  soonMs: 750,
  lostAfterMs: 10_000,
  deafMs: 5_000,
  quietMs: 90_000,
  trapQuietMs: 5_000,
  maxQuietMs: 300_000,
};
