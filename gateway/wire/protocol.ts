import type { PublicJob } from './public-job';

/** The kind of the problem that HTTP would answer with, or `left` where the job was left before its state was known. */
export type RefusalCode =
  | 'bad-request'
  | 'unknown-job'
  | 'too-many-jobs'
  | 'no-answer'
  | 'store-unavailable'
  | 'internal'
  | 'left'
  | (string & {});

/** That something was not done, and why. */
export interface Refusal {
  readonly ok: false;
  readonly error: { readonly code: RefusalCode; readonly message: string };
}

/** What a join comes back as. */
export type Reply = { readonly ok: true; readonly job: PublicJob } | Refusal;

/** The live jobs one may see, the newest first; `more` if there are others, which `GET /jobs` has. */
export interface LiveJobs {
  readonly jobs: readonly PublicJob[];
  readonly more: boolean;
  /** Where the gateway's store is away: these are the jobs of the asked instance alone. */
  readonly partial?: true;
}

/** What `jobs:watch` comes back as. */
export type WatchReply = ({ readonly ok: true } & LiveJobs) | Refusal;

/** How an answer comes back. */
export type Ack<R = Reply> = (reply: R) => void;

/** What clients send. */
export interface ClientEvents {
  /** Enters a job's room: the answer has its state, each change follows as `job:state`, until it settles. */
  readonly 'job:join': (promptId: string, ack: Ack) => void;
  /** Leaves it. */
  readonly 'job:leave': (promptId: string) => void;
  /** Asks for all jobs one may see: the answer has the live ones, each change of any follows as `job:state`. */
  readonly 'jobs:watch': (ack: Ack<WatchReply>) => void;
  /** Asks no more. */
  readonly 'jobs:unwatch': () => void;
}

/** The same events as the gateway hears them: a client may send anything in any place. */
export type Heard = { readonly [Event in keyof ClientEvents]: (...args: unknown[]) => void };

/** Which node of which job a preview shows; the image is the event's second argument, as bytes. */
export interface PreviewHead {
  readonly promptId: string;
  readonly nodeId: string;
  readonly mimeType: string;
}

/** What the gateway sends. */
export interface ServerEvents {
  /**
   * A job in one of the rooms, or of those watched, as it is now. A settled one asks to be acknowledged, and comes again,
   * the same by (`epoch`, `seq`), every 5 s and four times in all, until it is.
   */
  readonly 'job:state': (job: PublicJob, seen?: () => void) => void;
  /** To who watches all: the gateway's store went away, or is back. What `jobs:watch` is answered with has changed. */
  readonly 'jobs:partial': (now: { readonly partial: boolean }) => void;
  /** An image of the running node. */
  readonly 'job:preview': (head: PreviewHead, image: Uint8Array) => void;
}
