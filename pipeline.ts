import type { Readable } from 'node:stream';
import type { Observable } from 'rxjs';
import type { JobFilter, JobStore } from './sinks/job-store';
import type { JobState, JobType } from './streams/job-state';

/** A workflow in ComfyUI's API format: nodes by id. */
export type Workflow = Readonly<Record<string, WorkflowNode>>;
export interface WorkflowNode {
  readonly class_type: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly _meta?: { readonly title?: string };
}

export interface JobRequest {
  readonly type: JobType;
  readonly userId: string;
  readonly characterId?: string;
  /** Kept with the job, untouched. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Which of the servers, by URL; the first where absent. */
  readonly server?: string;
}

export interface SubmitRequest extends JobRequest {
  readonly workflow: Workflow;
}

export interface ServerStatus {
  readonly url: string;
  /** Whether the server answered last time it was asked or heard. */
  readonly healthy: boolean;
  /** How its jobs are being watched now. */
  readonly via: 'websocket' | 'polling';
  readonly queueRemaining?: number;
}

export interface JobPage {
  /** Newest first. */
  readonly jobs: readonly JobState[];
  /** Pass it back for the next page; absent on the last. */
  readonly cursor?: string;
}

/** One preview image of a running node, as ComfyUI made it. */
export interface Preview {
  readonly promptId: string;
  readonly nodeId: string;
  readonly mimeType: string;
  readonly image: Uint8Array;
}

/** A job's output file on its way from ComfyUI. */
export interface OutputBody {
  readonly body: Readable;
  readonly contentType: string;
  /** Bytes, where ComfyUI says. */
  readonly length?: number;
}

/** One running instance: watches ComfyUI, keeps states, answers for jobs. */
export interface Pipeline {
  /**
   * Runs a workflow. Resolves with the job once ComfyUI accepted or refused it (`failed`, kind `rejected`, with
   * `nodeErrors`), or still `queued` after 10 s without an answer, when submitting goes on by itself.
   * Rejects with `UnknownServer` where `server` is none of ours.
   */
  submit(request: SubmitRequest): Promise<JobState>;
  /** Watches a job that somebody else posted. Rejects with `UnknownJob` if no server knows it, `NoAnswer` if none could say. */
  track(promptId: string, request: JobRequest): Promise<JobState>;
  /** Stops this job and no other. Resolves with its state right after asking, or `undefined` for an unknown job; a settled job stays as it is. */
  cancel(promptId: string): Promise<JobState | undefined>;
  /** The present state, or `undefined`. */
  get(promptId: string): Promise<JobState | undefined>;
  list(query?: JobFilter & { readonly limit?: number; readonly cursor?: string }): Promise<JobPage>;
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
  /** The jobs taken up again at the start. */
  readonly recovered: Promise<readonly JobState[]>;
  /** Stops watching, writes what is unwritten, closes sockets with the handshake. */
  close(): Promise<void>;
}

/** No job of that id, or none that may be seen. */
export class UnknownJob extends Error {
  override readonly name = 'UnknownJob';
}
/** The server asked for is none of this pipeline's. */
export class UnknownServer extends Error {
  override readonly name = 'UnknownServer';
}
/** ComfyUI gave no usable answer. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

export interface PipelineOptions {
  readonly servers: readonly string[];
  readonly store: JobStore;
}

export declare function createPipeline(options: PipelineOptions): Pipeline;
