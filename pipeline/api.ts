import type { Observable } from 'rxjs';
import type { JobFilter, JobPage } from '../sinks/listing/job-page';
import type { OutputBody } from '../sources/comfyui-server';
import { NoAnswer } from '../sources/rest/no-answer';
import { InputRefused, type InputFile, type StoredInput } from '../sources/files/upload';
import type { Preview } from '../streams/board/board';
import type { Curves } from '../streams/reports/curves';
import type { JobReport } from '../streams/reports/job-report';
import type { JobState, JobType } from '../streams/job/job-state';
import type { Workflow } from '../streams/job/workflow';

export type { Curves, JobPage, JobReport, OutputBody, Preview, Workflow };
export { InputRefused, NoAnswer };

/** Whose job it is, and what the store keeps with it. */
export interface JobRequest {
  /** Text of 1 to 100 characters; a server with `tags` takes only the types that they name. */
  readonly type: JobType;
  readonly userId: string;
  readonly characterId?: string;
  /** Stored with the job and part of each of its states, unchanged. JSON, at most 16,384 bytes of it in UTF-8. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** A server's name or URL. By default the healthy server with the shortest queue, of those that take this type. */
  readonly server?: string;
}

/** Makes a submission safe to repeat, through any instance on the same store, for 24 h. */
export interface SubmitOnce {
  /** Names this submission among those of all users, so put the user's id into it. 1 to 1,900 bytes. */
  readonly key: string;
  /** A digest of what is submitted, at most 4,096 bytes. The same key with another one is refused with `KeyReused`. */
  readonly body: string;
}

/** A workflow to run, and how. */
export interface SubmitRequest extends JobRequest {
  /** If this was submitted before, `submit` starts nothing and resolves with that job as it is now. */
  readonly once?: SubmitOnce;
  /** In ComfyUI's API format: as an object, in which a `bigint` is an integer of any size, or as JSON text. */
  readonly workflow: Workflow | string;
  /** What progress reads of a workflow that is text: the gateway makes it in another thread. Leave it absent. */
  readonly outline?: string;
  /** `extra_data` of ComfyUI's `POST /prompt`, an object or JSON text: keys of paid API nodes. In no state or log. */
  readonly extraData?: Readonly<Record<string, unknown>> | string;
  /** Puts the job before all that wait in ComfyUI's queue. */
  readonly front?: boolean;
  /** The job's priority in ComfyUI's queue: the lowest number runs first. */
  readonly number?: number;
  /** Ids of the output nodes to run; all of them by default. */
  readonly partialExecutionTargets?: readonly string[];
  /** Runs the job again if the server forgets it, and on another server if its own has not answered for 60 s. */
  readonly onLost?: 'resubmit';
  /** In ms, waiting and all runs included: then it fails with `timed_out`. `PipelineOptions.timeoutMs` by default. */
  readonly timeoutMs?: number;
  /** How many runs the job may have; one that ran out of memory runs again, too. 1 by default, 3 with `onLost`. */
  readonly maxAttempts?: number;
}

/** A job that no ComfyUI runs: the program that runs it reports its progress and its end. */
export interface OpenRequest extends Omit<JobRequest, 'server'> {
  /** `steps`: the total, if known. `silentMs`: fails after this long without a report; 5 min by default. */
  readonly reported?: { readonly steps?: number; readonly silentMs?: number };
  /** As in `SubmitRequest`; what runs the job learns of it by the answer to its next report. */
  readonly timeoutMs?: number;
  readonly once?: SubmitOnce;
}

/** A file that workflows read, with `LoadImage` say. */
export interface InputUpload extends InputFile {
  /** The server's name or URL. Other servers do not get the file, so the job that reads it must go to the same one. */
  readonly server?: string;
  /** The type of the job that will read it: chooses the server if `server` is absent. */
  readonly type?: JobType;
}

/** Where a file was stored: its name and folder at the server, and which server. */
export interface UploadedInput extends StoredInput {
  readonly type: 'input';
  /** The server's URL: submit a job that reads the file with this `server`. */
  readonly server: string;
}

/** One ComfyUI server, as this instance sees it. */
export interface ServerStatus {
  readonly url: string;
  /** The name that users see: the URL is not shown to them (R13). */
  readonly name: string;
  /** Whether this instance's socket to it is open, or it has answered a request since that socket closed. */
  readonly healthy: boolean;
  /** How this instance watches its jobs now: over its socket, or by asking the server's REST side. */
  readonly via: 'websocket' | 'polling';
  /** Jobs in its queue by its last `status`, those that run and other clients' included; absent before the first. */
  readonly queueRemaining?: number;
}

/** Which jobs `list` returns, and how many. */
export interface ListQuery extends JobFilter {
  /** How many jobs a page holds at most: from 1, 50 by default; more than 500 counts as 500. */
  readonly limit?: number;
  /** The `cursor` of the page before; absent for the first page. */
  readonly cursor?: string;
}

/**
 * One running instance: watches ComfyUI, stores states, answers questions about jobs. Calls after `close`, or after
 * `closed` resolved, reject with `PipelineClosed`.
 */
export interface Pipeline {
  /**
   * Runs a workflow. Resolves with the job once ComfyUI accepted or refused it (`failed`, kind `rejected`, with
   * `nodeErrors`); after 10 s without an answer with the job still `queued`, and the pipeline goes on trying. Rejects
   * with `InvalidRequest`, `UnknownServer` if no such server takes this type, `TooManyJobs` if the user is past a
   * limit; with `once` also `KeyReused`, `KeySpent`, `StoreUnavailable`.
   */
  submit(request: SubmitRequest): Promise<JobState>;
  /**
   * Watches a job that somebody else posted. Rejects with `InvalidRequest` or `UnknownServer`; with `UnknownJob` if no
   * server knows it, or `NoAnswer` if none knows it and at least one did not answer.
   */
  track(promptId: string, request: JobRequest): Promise<JobState>;
  /**
   * Opens a job that some other program runs and reports. Rejects with `InvalidRequest`, with `TooManyJobs` if the user
   * is past a limit, and with `once` as `submit` does.
   */
  open(request: OpenRequest): Promise<JobState>;
  /**
   * Takes a report of such a job from the program that runs it, at any instance; resolves with the job as it is then. A
   * `count` no greater than the last changes nothing. If the state is settled (ended by a report, cancelled, timed
   * out), the program should stop. A settled state is returned only once it is stored. Rejects with `InvalidRequest`;
   * `UnknownJob`, also if `isShown` says no of the job (R14); `NotReported`; `StoreUnavailable`: send the report again.
   */
  report(promptId: string, report: JobReport, isShown?: (state: JobState) => boolean): Promise<JobState>;
  /** A reported job's metrics over time, thinned to some 200 points. Rejects with `StoreUnavailable`. */
  curves(promptId: string): Promise<Curves>;
  /**
   * Stops this job and no other. Resolves with its state right after ComfyUI was asked, mostly not settled yet, or with
   * `undefined` for an unknown job; a settled job stays as it is. Waits up to 10 s for ComfyUI, or for the instance
   * that watches the job; after that the pipeline goes on asking by itself, another instance for up to an hour. Rejects
   * with `StoreUnavailable` or `UnreadableState` as `get` does, and with `TooManyJobs` while 1,000 cancels wait for
   * other instances.
   */
  cancel(promptId: string): Promise<JobState | undefined>;
  /**
   * The present state, or `undefined`. Rejects with `StoreUnavailable`, or `UnreadableState` if the stored value is not
   * ours; neither for a job that this instance watches. A job of which `isShown` says no gets the same answer, in the
   * same time, as one that does not exist, also while the store does not answer (R14).
   */
  get(promptId: string, isShown?: (state: JobState) => boolean): Promise<JobState | undefined>;
  /**
   * A page of the jobs of all instances, the newest first. If few match, a page may hold fewer than `limit` and have a
   * cursor all the same. While the store does not answer, it holds only this instance's jobs, and `partial` is true.
   * Rejects with `InvalidRequest` or `InvalidCursor`.
   */
  list(query?: ListQuery): Promise<JobPage>;
  /**
   * The present state, then each change, never backward; completes when the job settles, or the pipeline closes. Goes
   * on when another instance takes the job; of a job that another instance watches some changes are left out. Errors
   * with `UnknownJob`, `StoreUnavailable` or `UnreadableState`, and with `PipelineClosed` on a closed pipeline.
   */
  watch(promptId: string): Observable<JobState>;
  /**
   * Every change of this instance's jobs; hot, no replay, completes with the pipeline. What a subscriber calls takes
   * effect after all subscribers have the change.
   */
  readonly states$: Observable<JobState>;
  /** A job's previews from now on; some may be left out. Completes when the job settles, is unknown, or at `close`. */
  previews(promptId: string): Observable<Preview>;
  /**
   * Each unsettled job of all instances once, as it is now; then completes. If the store does not answer, `onPartial`
   * is called, and only this instance's jobs are emitted.
   */
  live(onPartial?: () => void): Observable<JobState>;
  /**
   * Opens the nth output of a job, from 0; `undefined` if there is no such job or file. With a `range`, in the syntax
   * of HTTP's `Range`, it holds that part if it is a single one and ComfyUI serves it, else the whole file. The caller
   * must read or destroy its `body`. Rejects with `NoAnswer`, or as `get` does.
   */
  output(promptId: string, n: number, range?: string): Promise<OutputBody | undefined>;
  /** Stores a server's input file. Rejects with `UnknownServer`, `InputRefused`, `NoAnswer`, or the content's error. */
  upload(file: InputUpload): Promise<UploadedInput>;
  /** The servers as this instance sees them now, in the order of `PipelineOptions.servers`. */
  servers(): readonly ServerStatus[];
  /** Whether the store takes writes now: writes and reads a trial value. Never rejects. */
  storeHealthy(): Promise<boolean>;
  /**
   * Jobs that this instance took up, a batch at a time: at the start those of an earlier process, later those of
   * instances that are gone. Repeats the last 16 batches to a new subscriber; completes with the pipeline.
   */
  readonly recovered$: Observable<readonly JobState[]>;
  /**
   * Stops watching, writes unwritten states for up to 5 s, gives sessions back for up to 5 s more, and closes the
   * sockets and the store. Jobs at ComfyUI go on. A further call waits for the same end. Never rejects.
   */
  close(): Promise<void>;
  /** Resolves when the pipeline has ended: with `undefined` after `close`, or with the bug that ended it. */
  readonly closed: Promise<Error | undefined>;
}

/** There is no job of that id, or the caller may not see it. */
export class UnknownJob extends Error {
  override readonly name = 'UnknownJob';
}
/** ComfyUI runs the job, so nobody may report it. */
export class NotReported extends Error {
  override readonly name = 'NotReported';
}
/** The pipeline has no server of that name or URL, or none that takes jobs of this type. */
export class UnknownServer extends Error {
  override readonly name = 'UnknownServer';
}
/**
 * A request cannot be done: it has an unknown field, no valid workflow, or a value past a bound. `field` names the
 * field, `objection` continues a sentence that begins with it.
 */
export class InvalidRequest extends Error {
  override readonly name = 'InvalidRequest';
  constructor(
    readonly field: string,
    readonly objection: string,
  ) {
    super(`${field} ${objection}`);
  }
}
/** A user is past a limit: `bound` says of what, `most` how many are allowed. */
export class TooManyJobs extends Error {
  override readonly name = 'TooManyJobs';
  constructor(
    readonly bound: string,
    readonly most: number,
  ) {
    super(`a user may have ${most} ${bound}`);
  }
}
/** The pipeline was closed. */
export class PipelineClosed extends Error {
  override readonly name = 'PipelineClosed';
}
/** A `SubmitOnce.key` was used before with another `body`. */
export class KeyReused extends Error {
  override readonly name = 'KeyReused';
}
/** A `SubmitOnce.key` was used before, and its job can no longer be found: it may have run, so it is not run again. */
export class KeySpent extends Error {
  override readonly name = 'KeySpent';
}
