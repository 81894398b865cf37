import type { Metrics, Reporting } from '../reports/job-report';

/** The kind of work; any other text may be the application's own. */
export type JobType = 'image_generation' | 'lora_training' | 'face_swap' | 'character_sheet' | (string & {});

/** `completed` and `failed` are ends: the state never changes after them (R1). */
export type JobStatus = 'queued' | 'processing' | 'completed' | 'failed';

/**
 * Finer than `status`: `queued` is `waiting`; `processing` goes through `loading`, `running`, `finishing`; the end is
 * `settled`.
 */
export type JobPhase = 'waiting' | 'loading' | 'running' | 'finishing' | 'settled';

/** How news of a job comes now: by a socket, by looks, or by reports of the program that runs it. */
export type Via = 'websocket' | 'polling' | 'report';

/** The kinds of failure that this version knows; a state stored by a newer version may have another. */
export type FailureKind =
  | 'rejected'
  | 'node_error'
  | 'out_of_memory'
  | 'interrupted'
  | 'cancelled'
  | 'lost'
  | 'unreachable'
  | 'missing_output'
  | 'timed_out'
  /** A bug of this program while it followed the job. */
  | 'internal_error';

/** Why a job failed, as it may be shown to users: without tracebacks, node inputs and server paths (R13). */
export interface Failure {
  readonly kind: FailureKind;
  readonly message: string;
  readonly nodeId?: string;
  readonly nodeType?: string;
  /** Whether the same workflow may succeed another time. */
  readonly retryable: boolean;
}

/** One error of ComfyUI's validation, about one node. */
export interface NodeError {
  readonly nodeId: string;
  readonly nodeType?: string;
  /** The input that it is about, if ComfyUI names one. */
  readonly input?: string;
  readonly message: string;
}

/** One file that a job made, in the words of ComfyUI's `/view`. */
export interface FileOutput {
  readonly nodeId: string;
  /** ComfyUI's key for it: `images`, `gifs`, `audio`, … */
  readonly kind: string;
  readonly filename: string;
  readonly subfolder: string;
  /**
   * ComfyUI's folder `output`, `temp` or `input`; `websocket`: it came over the socket, and the store keeps it with the
   * job; `reported`: a report named it.
   */
  readonly type: string;
  /** The http(s) URL of a reported file, if its report gave one. This pipeline does not serve the file. */
  readonly url?: string;
}

/** A text that a node showed: a caption, say. Cut to 16,384 characters. */
export interface TextOutput {
  readonly nodeId: string;
  readonly kind: 'text';
  readonly text: string;
}

/** What a job made. ComfyUI's key `text` has texts, and files only if they have a name. */
export type JobOutput = FileOutput | TextOutput;

/** Whether an output is a file at ComfyUI, rather than a text. */
export const isFile = (output: JobOutput): output is FileOutput => 'filename' in output;

/** The node at work, and its progress: `value` of `max` steps. */
export interface CurrentNode {
  readonly id: string;
  readonly type: string;
  readonly title?: string;
  readonly value: number;
  readonly max: number;
}

/** Whether a job runs again after a failure that is not its workflow's fault. */
export interface RetryPolicy {
  /** Runs in all, the first included. After a run out of memory, ComfyUI frees its memory before the next. */
  readonly maxAttempts: number;
  /**
   * Runs a job again that its server forgot, on another server if its own stays away; else such a job fails as `lost`.
   */
  readonly onLost?: 'resubmit';
}

/** The state of a job. Times are milliseconds since 1970. Redis holds it as JSON under `comfyui:job:<promptId>`. */
export interface JobState {
  readonly promptId: string;
  readonly type: JobType;
  readonly userId: string;
  readonly characterId?: string;
  readonly status: JobStatus;
  /** 0–100 with one decimal at most; never falls; 100 only when completed. */
  readonly progress: number;
  /** When the job was submitted or first tracked. */
  readonly startedAt: number;
  /** When ComfyUI began to run it, by history or the first frame; absent while it waits, and if it never ran. */
  readonly executionStartedAt?: number;
  /** The ComfyUI client id whose socket gets this job's frames; absent if another program posted the job. */
  readonly clientId?: string;
  /** The session that watches a job without a `clientId`; a job with one is watched by that session. */
  readonly session?: string;
  /** The server's URL, without credentials; `reported:self` for a reported job. */
  readonly serverUrl: string;
  readonly phase: JobPhase;
  /** How many jobs must end before this one starts, 0 for the next; only while it waits, and if known. */
  readonly queuePosition?: number;
  readonly node?: CurrentNode;
  /** Of a reported job: the last `stage` and `message` reported, the newest metrics, and facts about its reports. */
  readonly stage?: string;
  readonly message?: string;
  readonly metrics?: Metrics;
  readonly reported?: Reporting;
  /** From `updatedAt` to the job's end, of a waiting job to its start, ms; absent until most of that is measured. */
  readonly etaMs?: number;
  /** When the state last changed; never falls. */
  readonly updatedAt: number;
  /** When the job settled. */
  readonly finishedAt?: number;
  /** When the job is stopped and fails with `timed_out`, whichever run it is in. */
  readonly deadlineAt?: number;
  /** When a cancel was first asked for; absent once the job has settled. */
  readonly cancelAskedAt?: number;
  readonly via: Via;
  /** Since when no news can come: the server neither has a socket open nor answers. */
  readonly silentSince?: number;
  readonly outputs?: readonly JobOutput[];
  /** Pictures that came over the socket so far; at the end they are among the outputs. */
  readonly pictures?: readonly FileOutput[];
  readonly failure?: Failure;
  /** The errors of ComfyUI's validation, of a rejected job or of one that runs only in part. */
  readonly nodeErrors?: readonly NodeError[];
  /** The number of the present run, from 1. */
  readonly attempt: number;
  /**
   * ComfyUI's `prompt_id` of this run if it is not the `promptId`: of a later run, or chosen by a server before 0.3.64.
   */
  readonly runId?: string;
  readonly retry?: RetryPolicy;
  /** Grows with each change of owner: the time at which the present one began, ms since 1970. */
  readonly epoch: number;
  /** Grows by one with each change; (`epoch`, `seq`) orders all states of a job. */
  readonly seq: number;
  /** The application's own values, unchanged. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** Whether the job has ended. A settled job never changes. */
export const isSettled = ({ status }: Pick<JobState, 'status'>): boolean =>
  status === 'completed' || status === 'failed';

/** A job's status as lists filter and count it: a cancelled job counts as `cancelled`, not as `failed`. */
export type JobStanding = JobStatus | 'cancelled';

export const standingOf = ({ status, failure }: Pick<JobState, 'status' | 'failure'>): JobStanding =>
  status === 'failed' && failure?.kind === 'cancelled' ? 'cancelled' : status;

/** The session that watches a job; `undefined` if it has none. */
export const sessionOf = ({ session, clientId }: JobState): string | undefined => session ?? clientId;

/** The id under which ComfyUI knows the job's present run. */
export const runIdOf = ({ runId, promptId }: JobState): string => runId ?? promptId;

/** Whether `a` is a later state of the same job than `b`. */
export const isNewer = (a: Version, b: Version): boolean => (a.epoch !== b.epoch ? a.epoch > b.epoch : a.seq > b.seq);

/** A state's place among all states of its job. */
export type Version = Pick<JobState, 'epoch' | 'seq'>;

/** The last `etaMs` of a job, less the time since it was told, ms. */
export const countedDown = ({ etaMs, updatedAt }: JobState, at: number): number | undefined =>
  etaMs === undefined ? undefined : Math.max(0, etaMs - Math.max(0, at - updatedAt));
