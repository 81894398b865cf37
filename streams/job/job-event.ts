import type { Failure, FileOutput, JobOutput, NodeError } from './job-state';
import type { JobReport } from '../reports/job-report';
import type { Graph } from './workflow';

/** One node in a `progress_state` snapshot. */
export interface NodeSnapshot {
  readonly id: string;
  readonly value: number;
  readonly max: number;
  readonly finished: boolean;
  /** The node that made it, where it is not of the workflow itself. */
  readonly parentId?: string;
  /** The workflow node it is a copy of, where ComfyUI says. */
  readonly displayId?: string;
}

/** What was learned about a job, and how: from a frame of its session, from a look at the server, or from us. */
export type JobEvent = { readonly promptId: string; readonly at: number } & (FrameFact | LookFact | OwnFact);

/** `cameAt` where the frame came before it was read: it waited for a newer one. */
interface MayWait {
  readonly cameAt?: number;
}

/** Facts that frames bring. */
export type FrameFact =
  /** `execution_start`: from here on, the session brings every frame. */
  | { readonly tag: 'started' }
  | { readonly tag: 'cached'; readonly nodeIds: readonly string[] }
  /** `isGreeting` where ComfyUI told a new socket which node runs; a socket that it drops right after hears that too. */
  | { readonly tag: 'executing'; readonly nodeId: string; readonly displayId?: string; readonly isGreeting?: true }
  /** `progress`; 0.3.30 names no node when it broadcasts. */
  | ({ readonly tag: 'stepped'; readonly nodeId?: string; readonly value: number; readonly max: number } & MayWait)
  | ({ readonly tag: 'snapshot'; readonly nodes: readonly NodeSnapshot[] } & MayWait)
  | { readonly tag: 'executed'; readonly nodeId: string; readonly outputs: readonly JobOutput[] }
  /** A picture that came over the socket; its bytes are kept under `filename`. */
  | { readonly tag: 'pictured'; readonly output: FileOutput; readonly bytes: number }
  | { readonly tag: 'succeeded' }
  | { readonly tag: 'broke'; readonly failure: Failure };

/** Facts that looks at the server bring: good answers only, never the want of one. */
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
      /** What a job had finished that failed after all. */
      readonly outputs?: readonly JobOutput[];
      /** When ComfyUI began to run it, where it says. */
      readonly startedAt?: number;
      readonly graph?: Graph;
      readonly runId?: string;
    }
  /** In no history yet, while the queue cannot be read: it has not ended. */
  | { readonly tag: 'unended' }
  /** Its own page gave no answer, though the server answers others: nothing is known of it (R4). */
  | { readonly tag: 'unanswered' }
  /** A server that answers as ComfyUI does says something of this job that cannot be read. */
  | { readonly tag: 'unreadable' }
  /** In no queue and in no history; asked at `askedAt`, in ms since 1970, where its answer came later than that. */
  | { readonly tag: 'absent'; readonly askedAt?: number };

/** Facts of our own making. */
export type OwnFact =
  /** The program that runs the job told of it. */
  | { readonly tag: 'reported'; readonly report: JobReport }
  /** ComfyUI took the workflow that was posted at `postedAt`; `nodeErrors` where it runs only in part; `isOutOfTurn` where it was not put last. */
  | {
      readonly tag: 'accepted';
      readonly postedAt: number;
      readonly nodeErrors?: readonly NodeError[];
      readonly isOutOfTurn?: boolean;
      /** The id that an old server gave the run in place of ours. */
      readonly runId?: string;
    }
  /** The job is about to be posted once more: under another id, and maybe to another server. */
  | { readonly tag: 'posting'; readonly runId: string; readonly clientId: string; readonly serverUrl: string }
  | { readonly tag: 'refused'; readonly failure: Failure; readonly nodeErrors?: readonly NodeError[] }
  | { readonly tag: 'cancelAsked' }
  /** A second has passed: the bar goes on by the clock. */
  | { readonly tag: 'ticked' }
  /** Its server has been away for so long that it may be run elsewhere, if it may be run again at all. */
  | { readonly tag: 'abandoned' };

/** What was learned about a whole session or server; the board hands it to the jobs it concerns. */
export type SessionEvent = { readonly clientId: string; readonly at: number } &
  /** The session was another instance's. */
  (
    | { readonly tag: 'inherited' }
    /** Whoever had the session before has closed its socket only now, by which ComfyUI may have evicted ours. */
    | { readonly tag: 'evicted' }
    | { readonly tag: 'linked' }
    /** The socket is gone; `clean` where both sides closed it with the handshake. */
    | { readonly tag: 'unlinked'; readonly clean: boolean }
    /** Any frame at all came. */
    | { readonly tag: 'heard' }
    /** A frame could not be read, so something may have been missed. */
    | { readonly tag: 'garbled' }
    /** `executing` without a `prompt_id`: the session's running job, if there is just one. */
    | { readonly tag: 'resumed'; readonly nodeId: string }
    /** A preview image; without `promptId` it is of the session's running job. */
    | {
        readonly tag: 'previewed';
        readonly promptId?: string;
        readonly nodeId?: string;
        readonly mimeType: string;
        readonly image: Uint8Array;
      }
  );

/** `status`: how many jobs the server has in hand, the running one included. */
export interface QueueEvent {
  readonly tag: 'queueLength';
  readonly serverUrl: string;
  readonly remaining: number;
  readonly at: number;
}

/** One entry of a server's queue, whoever posted it. */
export interface QueueEntry {
  /** The server's id of the run, and ours where it carries one besides. */
  readonly runId: string;
  readonly promptId?: string;
  /** How many nodes its workflow has; 0 where the server did not tell it. Counted at each call. */
  readonly nodes: () => number;
  /** Read from the workflow at each call. */
  readonly graph: () => Graph | undefined;
  readonly targets?: readonly string[];
}

/** A look at a server's queue: all that it has in hand, in the order in which it runs. */
export interface QueueSeen {
  readonly tag: 'queueSeen';
  readonly serverUrl: string;
  readonly entries: readonly QueueEntry[];
  readonly at: number;
}
