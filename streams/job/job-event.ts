import type { Failure, FileOutput, JobOutput, NodeError } from './job-state';
import type { JobReport } from '../reports/job-report';
import type { Graph } from './workflow';

/** One node in a `progress_state` snapshot. */
export interface NodeSnapshot {
  readonly id: string;
  readonly value: number;
  readonly max: number;
  readonly finished: boolean;
  /** The node that made this one, if it is not of the workflow itself. */
  readonly parentId?: string;
  /** The workflow's node that it is shown as, if ComfyUI says. */
  readonly displayId?: string;
}

/** What was learned about a job: by a frame of its session, by a look at its server, or by an act of this instance. */
export type JobEvent = { readonly promptId: string; readonly at: number } & (FrameFact | LookFact | OwnFact);

/** `cameAt`: when the frame came, if it waited before it was read at `at`; ms since 1970. */
interface MayWait {
  readonly cameAt?: number;
}

/** `saidAt`: when the frame was sent by the server's own clock, if it says so; ms since 1970. */
interface MaySayWhen {
  readonly saidAt?: number;
}

/** Facts that frames bring. */
export type FrameFact =
  /** `execution_start`: all later frames of the run come over this session. */
  | ({ readonly tag: 'started' } & MaySayWhen)
  | { readonly tag: 'cached'; readonly nodeIds: readonly string[] }
  /**
   * `isGreeting`: ComfyUI told a new socket which node runs. It proves little: a socket that is dropped next gets it
   * too.
   */
  | { readonly tag: 'executing'; readonly nodeId: string; readonly displayId?: string; readonly isGreeting?: true }
  /** `progress`; ComfyUI 0.3.30 names no node when it broadcasts. */
  | ({ readonly tag: 'stepped'; readonly nodeId?: string; readonly value: number; readonly max: number } & MayWait)
  | ({ readonly tag: 'snapshot'; readonly nodes: readonly NodeSnapshot[] } & MayWait)
  | { readonly tag: 'executed'; readonly nodeId: string; readonly outputs: readonly JobOutput[] }
  /** A picture that came over the socket; the store keeps its bytes under `filename`. */
  | { readonly tag: 'pictured'; readonly output: FileOutput; readonly bytes: number }
  | ({ readonly tag: 'succeeded' } & MaySayWhen)
  | { readonly tag: 'broke'; readonly failure: Failure };

/** Facts that looks at the server bring: always from a good answer; no answer is no fact (R4). */
export type LookFact =
  | {
      readonly tag: 'found';
      readonly where: 'pending' | 'running';
      /** How many jobs are before it in the queue, the running one included. */
      readonly ahead?: number;
      readonly graph?: Graph;
      /** The output nodes that will run, as the queue names them. */
      readonly targets?: readonly string[];
      /** The id that an old server gave the run in place of ours. */
      readonly runId?: string;
    }
  | {
      readonly tag: 'ended';
      readonly outcome: readonly JobOutput[] | Failure;
      /** The outputs that a failed job had made. */
      readonly outputs?: readonly JobOutput[];
      /** When ComfyUI began to run it, if it says. */
      readonly startedAt?: number;
      readonly graph?: Graph;
      readonly runId?: string;
    }
  /** The job is in no history yet, and the queue cannot be read: it has not ended. */
  | { readonly tag: 'unended' }
  /** The job's own route gave no answer, though the server answers others: nothing is known of the job (R4). */
  | { readonly tag: 'unanswered' }
  /** The server answers as ComfyUI does, but its answer about this job cannot be read. */
  | { readonly tag: 'unreadable' }
  /** The job is in no queue and no history; `askedAt`: when that was asked, if the answer came later, ms since 1970. */
  | { readonly tag: 'absent'; readonly askedAt?: number };

/** What this instance did to a job, and what other programs report of it. */
export type OwnFact =
  /** A report of the program that runs the job. */
  | { readonly tag: 'reported'; readonly report: JobReport }
  /**
   * ComfyUI took the workflow posted at `postedAt`; with `nodeErrors` it runs only in part. `isOutOfTurn`: it may not
   * be last in the queue.
   */
  | {
      readonly tag: 'accepted';
      readonly postedAt: number;
      readonly nodeErrors?: readonly NodeError[];
      readonly isOutOfTurn?: boolean;
      /** The id that an old server gave the run in place of ours. */
      readonly runId?: string;
    }
  /** The job's next run is about to be posted: under another id, and maybe to another server. */
  | { readonly tag: 'posting'; readonly runId: string; readonly clientId: string; readonly serverUrl: string }
  | { readonly tag: 'refused'; readonly failure: Failure; readonly nodeErrors?: readonly NodeError[] }
  | { readonly tag: 'cancelAsked' }
  /** Time has passed: the bar goes on by the clock. */
  | { readonly tag: 'ticked' }
  /** The job's server has been away for 60 s: the job runs on another one, if it may run again. */
  | { readonly tag: 'abandoned' };

/** What was learned about a session; the board changes the jobs that it concerns. */
export type SessionEvent = { readonly clientId: string; readonly at: number } &
  /** Another instance, or an earlier process, held the session before. */
  (
    | { readonly tag: 'inherited' }
    /** The session's last holder closed its socket only now: ComfyUI may have dropped ours by that (R7). */
    | { readonly tag: 'evicted' }
    | { readonly tag: 'linked' }
    /** The socket is gone; `clean`: both sides closed it with the handshake. */
    | { readonly tag: 'unlinked'; readonly clean: boolean }
    /** A frame came, of any kind. */
    | { readonly tag: 'heard' }
    /** A frame could not be read, so something may have been missed. */
    | { readonly tag: 'garbled' }
    /** `executing` without a `prompt_id`: about the session's running job, if there is just one. */
    | { readonly tag: 'resumed'; readonly nodeId: string }
    /** A preview image; without a `promptId` it is of the session's running job. */
    | {
        readonly tag: 'previewed';
        readonly promptId?: string;
        readonly nodeId?: string;
        readonly mimeType: string;
        readonly image: Uint8Array;
      }
  );

/** `status`: how many jobs the server's queue holds, the running one included. */
export interface QueueEvent {
  readonly tag: 'queueLength';
  readonly serverUrl: string;
  /** Whose socket told it: each `status` goes to all sockets. */
  readonly clientId: string;
  readonly remaining: number;
  readonly at: number;
}

/** One entry of a server's queue, of any client. */
export interface QueueEntry {
  /** The server's id of the run. */
  readonly runId: string;
  /** Whose job it is, if the entry tells: the id of the client that posted it. */
  readonly client?: string;
  /** The id that we gave the run, if the entry carries one that differs. */
  readonly promptId?: string;
  /** Counts the nodes of its workflow at each call; 0 if the server did not send it. */
  readonly nodes: () => number;
  /** Reads the graph from its workflow at each call. */
  readonly graph: () => Graph | undefined;
  readonly targets?: readonly string[];
}

/** A look at a server's queue: all its entries, in the order in which they run. */
export interface QueueSeen {
  readonly tag: 'queueSeen';
  readonly serverUrl: string;
  readonly entries: readonly QueueEntry[];
  readonly at: number;
}
