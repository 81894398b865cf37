import type { Observable } from 'rxjs';
import type { JobEvent, QueueEvent, QueueSeen, SessionEvent } from '../job/job-event';
import type { Job } from '../job/job';
import type { Failure, JobState } from '../job/job-state';
import type { RunClock } from '../job/progress/run-clock';
import type { SessionWatch } from './session-watch';

/** Everything that can happen to the jobs of an instance. */
export type BoardEvent =
  | JobEvent
  | SessionEvent
  | QueueEvent
  | QueueSeen
  /** A job is taken up. */
  | { readonly tag: 'opened'; readonly job: Job }
  /** The job is another's now, or was never posted. */
  | { readonly tag: 'released'; readonly promptId: string }
  /** Something of ours broke while it was at work on this job. */
  | { readonly tag: 'brokeHere'; readonly state: JobState; readonly error: unknown; readonly at: number }
  /** The job's server has been silent since then. */
  | { readonly tag: 'silent'; readonly promptId: string; readonly since: number; readonly at: number }
  /** The job is to be looked up now. */
  | { readonly tag: 'suspected'; readonly promptId: string; readonly at: number }
  /** A second has passed: the bars of the jobs that run go on by the clock. */
  | { readonly tag: 'clock'; readonly at: number }
  /** So do those of runs of less than a second, in between, and of those that a tick had no time for. */
  | { readonly tag: 'moment'; readonly at: number }
  /** A session is ours no more. */
  | { readonly tag: 'sessionOver'; readonly clientId: string };

/** A preview image, by the job and node that it shows. */
export interface Preview {
  readonly promptId: string;
  readonly nodeId: string;
  readonly mimeType: string;
  readonly image: Uint8Array;
}

/** A picture that came over the socket, as it is kept with its job. */
export interface Picture {
  readonly promptId: string;
  readonly filename: string;
  readonly mimeType: string;
  readonly bytes: Uint8Array;
}

/** What an event led to. */
export type Change =
  | { readonly tag: 'state'; readonly state: JobState }
  | { readonly tag: 'preview'; readonly preview: Preview }
  /** A picture came that is an output: its bytes are to be kept with the job, before a state names it. */
  | { readonly tag: 'pictured'; readonly picture: Picture }
  /** The job is another's now: whoever watches it here has to look elsewhere. */
  | { readonly tag: 'released'; readonly promptId: string }
  /** A run ended well: what its nodes took. */
  | { readonly tag: 'measured'; readonly serverUrl: string; readonly run: RunClock; readonly at: number }
  /** A run failed that may be repeated: somebody must post it. */
  | { readonly tag: 'runAgain'; readonly promptId: string; readonly failure: Failure };

/** A mistake of ours while one job was advanced: that job has failed, and nothing else. */
export class JobBroke extends Error {
  override readonly name = 'JobBroke';
  constructor(
    readonly promptId: string,
    cause: unknown,
  ) {
    super(`job ${promptId} could not be followed: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
}

/** A server's id of a run that is not believed: it is no such id, or another job's. */
export class RefusedRunId extends Error {
  override readonly name = 'RefusedRunId';
  constructor(readonly promptId: string) {
    super(`job ${promptId}: the server gave its run an id that is another job’s, or none that ComfyUI would give`);
  }
}

/** What others than the page may read of the board. */
export interface BoardView {
  readonly job: (promptId: string) => Job | undefined;
  /** The job whose present run goes by this id at ComfyUI. */
  readonly run: (runId: string) => Job | undefined;
  readonly session: (clientId: string) => SessionWatch | undefined;
  /** The jobs that a session watches. */
  readonly ofSession: (clientId: string) => readonly Job[];
  readonly ofServer: (serverUrl: string) => readonly Job[];
  readonly countOf: (serverUrl: string) => number;
  readonly countOfUser: (userId: string) => number;
  /** Nodes of all workflows of a user's jobs. */
  readonly nodesOfUser: (userId: string) => number;
  /** The server's jobs that are to be run again, here or elsewhere, if it forgets them. */
  readonly mayRunAgain: (serverUrl: string) => readonly Job[];
  /** The jobs whose time is up. */
  readonly overdue: (now: number) => readonly Job[];
  readonly countOfSession: (clientId: string) => number;
  /** How many jobs a server last said it has in hand. */
  readonly queueRemaining: (serverUrl: string) => number | undefined;
  /** Emits after something happened to the job of this id, or to this session's socket as it opened; the event is wholly taken in by then. */
  readonly changed: (promptIdOrClientId: string) => Observable<unknown>;
  /** Unsettled jobs. */
  readonly jobs: ReadonlyMap<string, Job>;
}

/**
 * The live jobs of one instance and the sessions that bring their news: filled by `take` alone, which only the page
 * calls, read by whoever needs the present.
 */
export interface Board extends BoardView {
  /** Takes one event in and tells what changed by it. What breaks while it is at one job fails that job alone (R15). */
  take(event: BoardEvent): readonly Change[];
  /** The server's jobs that are to be looked up now: they count as looked up from this call on. */
  due(serverUrl: string, now: number): readonly Job[];
  /** Whether the session's socket should be opened anew: it counts as opened from this call on. Has the session's jobs looked up first, where that may tell. */
  reopenIfDeaf(clientId: string, now: number): boolean;
  /** Whether there are bars to be moved between two ticks of the clock; and each change of that. */
  readonly hurried$: Observable<boolean>;
}

/** What we do to a job ourselves is addressed to the job, whichever run it is in. */
export const addressedByJob: ReadonlySet<JobEvent['tag']> = new Set<JobEvent['tag']>([
  'cancelAsked',
  'reported',
  'posting',
  'refused',
  'abandoned',
  'ticked',
]);
