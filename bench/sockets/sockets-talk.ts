/** What the processes of `bench/sockets/sockets.ts` tell each other. */

/** One socket to open: with whose token, and into which jobs' rooms. */
export interface Reader {
  readonly token: string;
  readonly promptIds: readonly string[];
}

export type Order =
  | { readonly tag: 'open'; readonly url: string; readonly readers: readonly Reader[] }
  /** Opens some that read nothing, and again each time they are cut. */
  | { readonly tag: 'stall'; readonly url: string; readonly readers: readonly Reader[] }
  | { readonly tag: 'release' }
  /** Asks for what was measured since the last time. */
  | { readonly tag: 'figures' };

/** How long states were under way, ms from the moment they were made, and what else was seen. */
export interface Figures {
  readonly delivered: number;
  readonly p50: number;
  readonly p99: number;
  readonly worst: number;
  /** Sockets of which every job's end arrived, in all. */
  readonly ended: number;
  readonly closed: number;
}
