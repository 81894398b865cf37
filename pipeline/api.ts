import type { Observable } from 'rxjs';
import type { JobFilter, JobPage } from '../sinks/job-page';
import type { OutputBody } from '../sources/comfyui-server';
import { NoAnswer } from '../sources/rest';
import type { Preview } from '../streams/board/board';
import type { JobState, JobType } from '../streams/job/job-state';
import type { Workflow } from '../streams/job/workflow';

export type { JobPage, OutputBody, Preview, Workflow };
export { NoAnswer };

export interface JobRequest {
  readonly type: JobType;
  readonly userId: string;
  readonly characterId?: string;
  /** Kept with the job, untouched. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Which of the servers, by URL; where absent, of those that take this type the healthy one with the shortest queue. */
  readonly server?: string;
}

/** Makes a submission safe to repeat, through any instance on the same store, for 24 h. */
export interface SubmitOnce {
  /** Whatever tells this submission from all others. Its metadata must be JSON. */
  readonly key: string;
  /** A digest of what is submitted: under the same key, another one is refused. */
  readonly body: string;
}

export interface SubmitRequest extends JobRequest {
  /** Resolves with the job as it is now, where it was submitted before. */
  readonly once?: SubmitOnce;
  /** In ComfyUI's API format: as an object, in which a `bigint` is an integer of any size, or as JSON text. */
  readonly workflow: Workflow | string;
  /** `extra_data` of ComfyUI's `POST /prompt`, likewise: keys of paid API nodes, say. Never in a state or a log. */
  readonly extraData?: Readonly<Record<string, unknown>> | string;
  /** Before all jobs that wait. */
  readonly front?: boolean;
  /** The place in ComfyUI's queue, lower first. */
  readonly number?: number;
  /** The output nodes to be run; where absent all are. */
  readonly partialExecutionTargets?: readonly string[];
  /** Run it again if the server forgets it, on another server if its own stays away. */
  readonly onLost?: 'resubmit';
  /** Runs in all, also after it ran out of memory; 1 where absent, 3 with `onLost`. */
  readonly maxAttempts?: number;
}

export interface ServerStatus {
  readonly url: string;
  /** Whether the server answered last time it was asked or heard. */
  readonly healthy: boolean;
  /** How its jobs are being watched now. */
  readonly via: 'websocket' | 'polling';
  readonly queueRemaining?: number;
}

export interface ListQuery extends JobFilter {
  /** 50 where absent, 500 at most. */
  readonly limit?: number;
  /** From the page before. */
  readonly cursor?: string;
}

/** One running instance: watches ComfyUI, keeps states, answers for jobs. */
export interface Pipeline {
  /**
   * Runs a workflow. Resolves with the job once ComfyUI accepted or refused it (`failed`, kind `rejected`, with
   * `nodeErrors`), or still `queued` after 10 s without an answer, when submitting goes on by itself.
   * Rejects with `UnknownServer` where `server` is none of ours; with `once` also with `KeyReused`, `KeySpent` or
   * `StoreUnavailable`.
   */
  submit(request: SubmitRequest): Promise<JobState>;
  /** Watches a job that somebody else posted. Rejects with `UnknownJob` if no server knows it, `NoAnswer` if none could say. */
  track(promptId: string, request: JobRequest): Promise<JobState>;
  /** Stops this job and no other. Resolves with its state right after asking, or `undefined` for an unknown job; a settled job stays as it is. */
  cancel(promptId: string): Promise<JobState | undefined>;
  /** The present state, or `undefined`. */
  get(promptId: string): Promise<JobState | undefined>;
  /** Newest first. Rejects with `InvalidCursor`. */
  list(query?: ListQuery): Promise<JobPage>;
  /** The present state, then each change, never backward; completes when the job settles. Errors with `UnknownJob`. */
  watch(promptId: string): Observable<JobState>;
  /** Every change of every job of this instance. */
  readonly states$: Observable<JobState>;
  /** Previews of this instance's running jobs; lossy. */
  readonly previews$: Observable<Preview>;
  /** Opens the nth output of a job, or resolves `undefined` if there is no such job or output. Rejects with `NoAnswer`. */
  output(promptId: string, n: number): Promise<OutputBody | undefined>;
  servers(): readonly ServerStatus[];
  /** Whether states can be stored right now. */
  storeHealthy(): Promise<boolean>;
  /** Jobs taken up in one go: at the start those of an earlier run, later those of an instance that is gone. Repeats the last few batches. */
  readonly recovered: Observable<readonly JobState[]>;
  /** Stops watching, writes what is unwritten, closes sockets with the handshake. */
  close(): Promise<void>;
}

/** No job of that id, or none that may be seen. */
export class UnknownJob extends Error {
  override readonly name = 'UnknownJob';
}
/** The server asked for is none of this pipeline's, or none takes jobs of this type. */
export class UnknownServer extends Error {
  override readonly name = 'UnknownServer';
}
/** A key for submitting once stands for another request. */
export class KeyReused extends Error {
  override readonly name = 'KeyReused';
}
/** A key for submitting once was used before, and whether its job was run cannot be told any more: it is not run again. */
export class KeySpent extends Error {
  override readonly name = 'KeySpent';
}
