import type { Metrics, Reporting } from '../reports/job-report';

/** Kinds of work the application knows; any other string is the application's own. */
export type JobType = 'image_generation' | 'lora_training' | 'face_swap' | 'character_sheet' | (string & {});

/** `completed` and `failed` are ends, after which nothing changes. */
export type JobStatus = 'queued' | 'processing' | 'completed' | 'failed';

/** Finer than `status`: queued is `waiting`; processing goes `loading`, `running`, `finishing`; the end is `settled`. */
export type JobPhase = 'waiting' | 'loading' | 'running' | 'finishing' | 'settled';

/** How news of a job reaches us now; `report` where the program that runs it tells us itself. */
export type Via = 'websocket' | 'polling' | 'report';

/** Kinds that this version knows; a stored state may have one of a newer version. */
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
  /** A mistake of this program while it followed the job. */
  | 'internal_error';

/** Why a job failed, fit for a person's eyes: no traceback, no node inputs, no server paths. */
export interface Failure {
  readonly kind: FailureKind;
  readonly message: string;
  readonly nodeId?: string;
  readonly nodeType?: string;
  /** Whether the same workflow may well succeed another time. */
  readonly retryable: boolean;
}

/** One complaint of ComfyUI's validation about one node. */
export interface NodeError {
  readonly nodeId: string;
  readonly nodeType?: string;
  /** The input it is about, where ComfyUI names one. */
  readonly input?: string;
  readonly message: string;
}

/** One file a job made, in the words of ComfyUI's `/view`. */
export interface FileOutput {
  readonly nodeId: string;
  /** ComfyUI's key for it: `images`, `gifs`, `audio`, … */
  readonly kind: string;
  readonly filename: string;
  readonly subfolder: string;
  /** ComfyUI's folder: `output`, `temp` or `input`; `websocket` where it came over the socket and is kept with the job, `reported` where its job told of it. */
  readonly type: string;
  /** Where a reported one is, if its job told that: http or https. It is not to be had from us. */
  readonly url?: string;
}

/** A text that a node showed: a caption, say. Long ones are cut. */
export interface TextOutput {
  readonly nodeId: string;
  readonly kind: 'text';
  readonly text: string;
}

/** What a job made. Under ComfyUI's key `text` there are texts, and files only where they have a name. */
export type JobOutput = FileOutput | TextOutput;

/** Whether an output is a file at ComfyUI, rather than a text. */
export const isFile = (output: JobOutput): output is FileOutput => 'filename' in output;

/** The node at work, and how far it is: `value` of `max` steps. */
export interface CurrentNode {
  readonly id: string;
  readonly type: string;
  readonly title?: string;
  readonly value: number;
  readonly max: number;
}

/** Whether a job that failed through no fault of its workflow is run again. */
export interface RetryPolicy {
  /** Runs in all, the first included. Out of memory is tried again after ComfyUI freed what it holds. */
  readonly maxAttempts: number;
  /** A job that the server forgot is run again, on another server if its own stays away; without this it is `lost`. */
  readonly onLost?: 'resubmit';
}

/** What a job is. Times are milliseconds since 1970. Stored as JSON under `comfyui:job:<promptId>`. */
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
  /** When ComfyUI began to run it, by its own word or by the first frame; absent while it waits, and where it never ran. */
  readonly executionStartedAt?: number;
  /** The ComfyUI client whose socket gets this job's frames; absent where somebody else posted it. */
  readonly clientId?: string;
  /** The session that watches a job which somebody else posted; a job of ours is watched by its `clientId`. */
  readonly session?: string;
  /** The server's URL, without credentials; `reported:self` of a job that reports itself. */
  readonly serverUrl: string;
  readonly phase: JobPhase;
  /** How many jobs must end before this one starts, 0 for the next; only while waiting, and only where known. */
  readonly queuePosition?: number;
  readonly node?: CurrentNode;
  /** Of a job that reports itself: what it does, a line for whoever watches, and its newest figures by name. */
  readonly stage?: string;
  readonly message?: string;
  readonly metrics?: Metrics;
  readonly reported?: Reporting;
  /** Milliseconds from `updatedAt` until the end, of a waiting job until its start; absent until that means something. */
  readonly etaMs?: number;
  /** When the state last changed; never falls. */
  readonly updatedAt: number;
  /** When it settled. */
  readonly finishedAt?: number;
  /** When it is stopped if it has not ended, all its runs together. */
  readonly deadlineAt?: number;
  /** When a cancel was first asked for that is still to be obeyed; gone at the end. */
  readonly cancelAskedAt?: number;
  readonly via: Via;
  /** Since when no news can come: the server neither keeps a socket open nor answers. */
  readonly silentSince?: number;
  readonly outputs?: readonly JobOutput[];
  /** Pictures that came over the socket so far; at the end they are among the outputs. */
  readonly pictures?: readonly FileOutput[];
  readonly failure?: Failure;
  /** What ComfyUI's validation refused: of a rejected job, or of one that runs only in part. */
  readonly nodeErrors?: readonly NodeError[];
  /** 1 for the first run. */
  readonly attempt: number;
  /** ComfyUI's `prompt_id` of this run, where it is not the `promptId`: of a later attempt, or by an old server's choice. */
  readonly runId?: string;
  readonly retry?: RetryPolicy;
  /** Grows with each change of owner; the ms at which this one began. */
  readonly epoch: number;
  /** Grows by one with each change; (`epoch`, `seq`) orders all states of a job. */
  readonly seq: number;
  /** The application's own, untouched. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** Whether the job has ended. A settled job never changes. */
export const isSettled = ({ status }: Pick<JobState, 'status'>): boolean =>
  status === 'completed' || status === 'failed';

/** How a job stands, as jobs are listed and counted: what was cancelled did not fail. */
export type JobStanding = JobStatus | 'cancelled';

export const standingOf = ({ status, failure }: Pick<JobState, 'status' | 'failure'>): JobStanding =>
  status === 'failed' && failure?.kind === 'cancelled' ? 'cancelled' : status;

/** The session that watches a job; absent where it is nobody's. */
export const sessionOf = ({ session, clientId }: JobState): string | undefined => session ?? clientId;

/** The id under which ComfyUI knows the job's present run. */
export const runIdOf = ({ runId, promptId }: JobState): string => runId ?? promptId;

/** Whether `a` is a later state of the same job than `b`. */
export const isNewer = (a: Position, b: Position): boolean => (a.epoch !== b.epoch ? a.epoch > b.epoch : a.seq > b.seq);

/** A state's place among all of its job. */
export type Position = Pick<JobState, 'epoch' | 'seq'>;
