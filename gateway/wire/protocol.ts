import type { PublicJob } from './public-job';

/** The kind of problem that HTTP would answer with, or `left` if the client left the job before its state was read. */
export type RefusalCode =
  | 'bad-request'
  | 'unknown-job'
  | 'too-many-jobs'
  | 'no-answer'
  | 'store-unavailable'
  | 'internal'
  | 'left'
  | (string & {});

/** The request was not served, and why. */
export interface Refusal {
  readonly ok: false;
  readonly error: { readonly code: RefusalCode; readonly message: string };
}

/** The answer to `job:join`. */
export type Reply = { readonly ok: true; readonly job: PublicJob } | Refusal;

/** The live jobs that the caller may see, the newest first; `more` if there are others, which `GET /jobs` lists. */
export interface LiveJobs {
  readonly jobs: readonly PublicJob[];
  readonly more: boolean;
  /** Present while the gateway's store is away: these are the jobs of the asked instance alone. */
  readonly partial?: true;
}

/** The answer to `jobs:watch`. */
export type WatchReply = ({ readonly ok: true } & LiveJobs) | Refusal;

/** The answer to `job:leave` and `jobs:unwatch`, for whoever wants one. */
export type Done = { readonly ok: true } | Refusal;

/** The acknowledgement that carries an answer. */
export type Ack<R = Reply> = (reply: R) => void;

/** The events that clients send. */
export interface ClientEvents {
  /** Enters a job's room. The answer has its state; each change follows as `job:state`, until it settles. */
  readonly 'job:join': (promptId: string, ack: Ack) => void;
  /** Leaves a job's room. */
  readonly 'job:leave': (promptId: string, ack?: Ack<Done>) => void;
  /** Watches all jobs that the caller may see. The answer has the live ones; each change follows as `job:state`. */
  readonly 'jobs:watch': (ack: Ack<WatchReply>) => void;
  /** Stops watching all jobs. */
  readonly 'jobs:unwatch': (ack?: Ack<Done>) => void;
}

/** The same events as the gateway receives them: a client may send any arguments. */
export type Heard = { readonly [Event in keyof ClientEvents]: (...args: unknown[]) => void };

/** Which node of which job a preview shows; the image is the event's second argument, as bytes. */
export interface PreviewHead {
  readonly promptId: string;
  readonly nodeId: string;
  readonly mimeType: string;
}

/** The events that the gateway sends. */
export interface ServerEvents {
  /**
   * The newest state of a joined or watched job. A settled one is sent with an acknowledgement; until the client calls
   * it, the same state, by (`epoch`, `seq`), is sent every 5 s, four times in all.
   */
  readonly 'job:state': (job: PublicJob, seen?: () => void) => void;
  /** To a socket that watches all: the gateway's store went away, or is back. Ask again with `jobs:watch`. */
  readonly 'jobs:partial': (now: { readonly partial: boolean }) => void;
  /** An image of the running node. */
  readonly 'job:preview': (head: PreviewHead, image: Uint8Array) => void;
}
