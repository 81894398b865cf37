import type { Observable } from 'rxjs';
import type { JobFilter, JobPage } from '../sinks/listing/job-page';
import type { OutputBody } from '../sources/comfyui-server';
import { NoAnswer } from '../sources/rest/rest';
import { InputRefused, type InputFile, type StoredInput } from '../sources/files/upload';
import type { Preview } from '../streams/board/board';
import type { Curves } from '../streams/reports/curves';
import type { JobReport } from '../streams/reports/job-report';
import type { JobState, JobType } from '../streams/job/job-state';
import type { Workflow } from '../streams/job/workflow';

export type { Curves, JobPage, JobReport, OutputBody, Preview, Workflow };
export { InputRefused, NoAnswer };

/** Whose job it is, and what is kept with it. */
export interface JobRequest {
  /** Any text; servers with `tags` take those types only. */
  readonly type: JobType;
  readonly userId: string;
  readonly characterId?: string;
  /** Kept with the job and told with each state, untouched. Must be JSON, at most 16,384 bytes of it in UTF-8. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Which of the servers, by name or URL; where absent, of those that take this type the healthy one with the shortest queue. */
  readonly server?: string;
}

/** Makes a submission safe to repeat, through any instance on the same store, for 24 h. */
export interface SubmitOnce {
  /** Whatever tells this submission from all others, of all users: put the user into it. 1,900 bytes at most. */
  readonly key: string;
  /** A digest of what is submitted, any text: under the same key, another one is refused with `KeyReused`. */
  readonly body: string;
}

/** A workflow that is to be run, and how. */
export interface SubmitRequest extends JobRequest {
  /** Resolves with the job as it is now, where it was submitted before. */
  readonly once?: SubmitOnce;
  /** In ComfyUI's API format: as an object, in which a `bigint` is an integer of any size, or as JSON text. */
  readonly workflow: Workflow | string;
  /** Of a workflow as text, what `outlineOf` makes of it, where somebody has read it before. */
  readonly outline?: string;
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
  /** Ends with `timed_out` after so many ms, its waiting and all its runs included, and its run is cancelled; where absent, `PipelineOptions.timeoutMs`. */
  readonly timeoutMs?: number;
  /** Runs in all, also after it ran out of memory; 1 where absent, 3 with `onLost`. */
  readonly maxAttempts?: number;
}

/** A job that no ComfyUI runs: the program that does reports of it. */
export interface OpenRequest extends Omit<JobRequest, 'server'> {
  /** `steps` where it is known how many there will be; it has failed after `silentMs` without a report, five minutes where absent. */
  readonly reported?: { readonly steps?: number; readonly silentMs?: number };
  /** As in `SubmitRequest`. */
  readonly timeoutMs?: number;
  readonly once?: SubmitOnce;
}

/** A file for workflows to read, by `LoadImage` say. */
export interface InputUpload extends InputFile {
  /** Which of the servers, as in `JobRequest`: files stay where they are, so the job must go to the same one. */
  readonly server?: string;
  /** Of the job that will read it, where no server is named. */
  readonly type?: JobType;
}

export interface UploadedInput extends StoredInput {
  readonly type: 'input';
  /** The server's URL: a job that reads the file must be submitted with it. */
  readonly server: string;
}

/** How one ComfyUI is, as this instance knows it. */
export interface ServerStatus {
  readonly url: string;
  /** What users know it by, who are not told its URL. */
  readonly name: string;
  /** Whether its socket is open, or it answered a request since that closed. */
  readonly healthy: boolean;
  /** How its jobs are being watched now: over this instance's own socket, or by looks. */
  readonly via: 'websocket' | 'polling';
  /** Jobs in its queue, the running one and other people's included, as it last said; absent until it did. */
  readonly queueRemaining?: number;
}

export interface ListQuery extends JobFilter {
  /** From 1; 50 where absent, 500 at most. */
  readonly limit?: number;
  /** From the page before. */
  readonly cursor?: string;
}

/** One running instance: watches ComfyUI, keeps states, answers for jobs. Calls after `close`, or after `closed` resolved, reject with `PipelineClosed`. */
export interface Pipeline {
  /**
   * Runs a workflow. Resolves with the job once ComfyUI accepted or refused it (`failed`, kind `rejected`, with
   * `nodeErrors`), or still `queued` after 10 s without an answer, when submitting goes on by itself.
   * Rejects with `InvalidRequest` for what cannot be run, `UnknownServer` where `server` is none of ours; with `once` also with `KeyReused`, `KeySpent` or
   * `StoreUnavailable`; with `TooManyJobs` where the user has too much under way.
   */
  submit(request: SubmitRequest): Promise<JobState>;
  /** Watches a job that somebody else posted. Rejects with `InvalidRequest`, `UnknownJob` if no server knows it, `NoAnswer` if none could say. */
  track(promptId: string, request: JobRequest): Promise<JobState>;
  /**
   * Opens a job that reports itself, in whichever process runs it. Rejects with `InvalidRequest` past a bound, `TooManyJobs`
   * where the user has too much under way, and with `once` as `submit` does.
   */
  open(request: OpenRequest): Promise<JobState>;
  /**
   * Takes what the program that runs such a job tells of it, at any instance; resolves with the job as it is then. A `count`
   * no greater than the last changes nothing. Once the state is settled, ended by a report, cancelled or timed out, the
   * program is to stop. An end is resolved when it is stored, and not before. A job that is not shown is none (R14). Rejects with `InvalidRequest`,
   * `UnknownJob`, `NotReported`, and `StoreUnavailable` where it is to be sent again.
   */
  report(promptId: string, report: JobReport, isShown?: (state: JobState) => boolean): Promise<JobState>;
  /** A job's metrics over time, thinned to some 200 points. Rejects with `StoreUnavailable`. */
  curves(promptId: string): Promise<Curves>;
  /**
   * Stops this job and no other. Resolves with its state right after asking, mostly not settled yet, or `undefined` for an
   * unknown job; a settled job stays as it is. Waits up to 10 s for ComfyUI, or for another instance that watches
   * it; asking goes on by itself after that, that instance or its successor for an hour. Rejects with `StoreUnavailable` or `UnreadableState` as `get` does.
   */
  cancel(promptId: string): Promise<JobState | undefined>;
  /**
   * The present state, or `undefined`. Rejects with `StoreUnavailable`, or `UnreadableState` where somebody wrote over it;
   * neither for a job that this instance watches. To whom only some jobs are shown, one that is not costs and answers what none at
   * all does, also where the store does not answer (R14).
   */
  get(promptId: string, isShown?: (state: JobState) => boolean): Promise<JobState | undefined>;
  /**
   * A page of the jobs of all instances, those submitted last first; where few match, it may hold fewer than `limit` and a
   * cursor all the same. While the store does not answer, the jobs of this instance alone, as `partial` says. Rejects with `InvalidRequest` or `InvalidCursor`.
   */
  list(query?: ListQuery): Promise<JobPage>;
  /**
   * The present state, then each change, never backward; completes when the job settles, or the pipeline closes. Follows the
   * job to whichever instance watches it; of another's job some steps are left out. Errors with `UnknownJob`,
   * `StoreUnavailable` or `UnreadableState`, and with `PipelineClosed` where it is subscribed to after the end.
   */
  watch(promptId: string): Observable<JobState>;
  /** Every change of every job of this instance; hot, completes with the pipeline. What is called from a subscriber takes effect after the change is told to all. */
  readonly states$: Observable<JobState>;
  /** Previews of a job, from now on; lossy. Completes when the job settles or is not known, or with the pipeline. */
  previews(promptId: string): Observable<Preview>;
  /** All unsettled jobs of the store, once each, as they are now, then completes; this instance's alone where the store does not answer, which `onPartial` is told. */
  live(onPartial?: () => void): Observable<JobState>;
  /**
   * Opens the nth output of a job, or resolves `undefined` if there is no such job or output; of a `range`, as HTTP's
   * `Range` has it, a part where it is a single one that ComfyUI serves. Its `body` is to be read or destroyed. Rejects with `NoAnswer`, or as `get` does.
   */
  output(promptId: string, n: number, range?: string): Promise<OutputBody | undefined>;
  /** Stores a file among a server's inputs. Rejects with `UnknownServer`, `InputRefused`, `NoAnswer`, or what the content threw. */
  upload(file: InputUpload): Promise<UploadedInput>;
  /** The servers as they are now, in the order of the options. */
  servers(): readonly ServerStatus[];
  /** Whether states can be stored right now: writes and reads one. Never rejects. */
  storeHealthy(): Promise<boolean>;
  /** Jobs taken up in one go: at the start those of an earlier run, later those of an instance that is gone. Repeats the last 16 batches, completes with the pipeline. */
  readonly recovered$: Observable<readonly JobState[]>;
  /**
   * Stops watching, writes what is unwritten for up to 5 s, gives sessions back for up to 5 s more, closes sockets with the
   * handshake, and the store. Jobs at ComfyUI go on. May be called again; all wait for the same. Never rejects.
   */
  close(): Promise<void>;
  /** Resolves when the pipeline is at its end: with `undefined` after `close`, or with the mistake of ours that ended it. Never rejects. */
  readonly closed: Promise<Error | undefined>;
}

/** No job of that id, or none that may be seen. */
export class UnknownJob extends Error {
  override readonly name = 'UnknownJob';
}
/** The job is one that ComfyUI runs: nobody may report of it. */
export class NotReported extends Error {
  override readonly name = 'NotReported';
}
/** The server asked for is none of this pipeline's, or none takes jobs of this type. */
export class UnknownServer extends Error {
  override readonly name = 'UnknownServer';
}
/** What is asked cannot be done: a field that is not known, a workflow that is none, what is past a bound; which field, and why. */
export class InvalidRequest extends Error {
  override readonly name = 'InvalidRequest';
  constructor(
    readonly field: string,
    readonly objection: string,
  ) {
    super(`${field} ${objection}`);
  }
}
/** A user has more under way than one may: which bound, and how much it is. */
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
/** A key for submitting once stands for another request. */
export class KeyReused extends Error {
  override readonly name = 'KeyReused';
}
/** A key for submitting once was used before, and whether its job was run cannot be told any more: it is not run again. */
export class KeySpent extends Error {
  override readonly name = 'KeySpent';
}
