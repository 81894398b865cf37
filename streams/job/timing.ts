/** When a job is looked up, and when its socket is replaced; all in ms. */
export interface Timing {
  /** From a running job's frame to the next look, while its socket is open: the slow audit (R8). */
  readonly auditMs: number;
  /** The longest that `auditMs` grows to while audits tell nothing new. */
  readonly maxAuditMs: number;
  /** From the loss of the socket to the first poll (R8). */
  readonly takeoverMs: number;
  /** Between polls while the job has no open socket. */
  readonly pollMs: number;
  /** Between looks at a job that was not found (R4). */
  readonly suspectMs: number;
  /** From a `status` that leaves no room for the job, or from a success without outputs yet, to the next look. */
  readonly soonMs: number;
  /** How long good looks must find a job nowhere before it is lost (R4). */
  readonly lostAfterMs: number;
  /** Within this time a `status` must follow an accepted workflow, and a frame the news that a look brought (R7). */
  readonly deafMs: number;
  /**
   * How long a running job's socket may be silent before it is replaced (R7); doubles while nothing comes. Nodes that
   * are silent for a minute are common, and the audit finds a job's end meanwhile.
   */
  readonly quietMs: number;
  /** The same after a socket was cut off, when an older one may still evict it; more where frames come further apart. */
  readonly trapQuietMs: number;
  /** The longest that `quietMs` grows to. */
  readonly maxQuietMs: number;
}

export const defaultTiming: Timing = {
  auditMs: 30_000,
  maxAuditMs: 120_000,
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
