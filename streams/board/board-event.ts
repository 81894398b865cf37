import type { Observable } from 'rxjs';
import type { JobEvent, QueueEvent, QueueSeen, SessionEvent } from '../job/job-event';
import type { Job } from '../job/job';
import type { Failure, JobState } from '../job/job-state';
import type { RunClock } from '../job/progress/run-clock';
import type { JobReads } from './job-index';
import type { SessionWatch } from './session-watch';
import { messageOf } from '../workflow/shown-text';

/** Everything that can happen to the jobs and sessions of an instance. */
export type BoardEvent =
  | JobEvent
  | SessionEvent
  | QueueEvent
  | QueueSeen
  /** A job is new here: submitted, opened, tracked or taken up. */
  | { readonly tag: 'opened'; readonly job: Job }
  /** Another instance has the job now: it leaves the board. */
  | { readonly tag: 'released'; readonly promptId: string }
  /** Our own code threw while it worked on this job. */
  | { readonly tag: 'brokeHere'; readonly state: JobState; readonly error: unknown; readonly at: number }
  /** The job's server has been without socket and answer since then. */
  | { readonly tag: 'silent'; readonly promptId: string; readonly since: number; readonly at: number }
  /** The job is to be looked up now. */
  | { readonly tag: 'suspected'; readonly promptId: string; readonly at: number }
  /** A second has passed: the bars of running jobs go on by the clock. */
  | { readonly tag: 'clock'; readonly at: number }
  /** 25 ms have passed: bars of short runs go on, and those that the last `clock` left over. */
  | { readonly tag: 'moment'; readonly at: number }
  /** This instance no longer holds the session. */
  | { readonly tag: 'sessionOver'; readonly clientId: string };

/** A preview image of a job, and the node that made it. */
export interface Preview {
  readonly promptId: string;
  readonly nodeId: string;
  readonly mimeType: string;
  readonly image: Uint8Array;
}

/** A picture that came over the socket, for the store to keep with its job. */
export interface Picture {
  readonly promptId: string;
  readonly filename: string;
  readonly mimeType: string;
  readonly bytes: Uint8Array;
}

/** What changed by an event. */
export type Change =
  | { readonly tag: 'state'; readonly state: JobState }
  | { readonly tag: 'preview'; readonly preview: Preview }
  /** A picture came that is an output. Comes before the state that names it: store its bytes with the job. */
  | { readonly tag: 'pictured'; readonly picture: Picture }
  /** Another instance has the job: its watchers here must follow it there. */
  | { readonly tag: 'released'; readonly promptId: string }
  /** A run ended well, and was seen from its start: how long its nodes took can be learned. */
  | { readonly tag: 'measured'; readonly serverUrl: string; readonly run: RunClock; readonly at: number }
  /** A run failed, and the job's policy allows another: post it. */
  | { readonly tag: 'runAgain'; readonly promptId: string; readonly failure: Failure };

/** Our own code threw while it worked on one job: that job has failed, and nothing else (R15). */
export class JobBroke extends Error {
  override readonly name = 'JobBroke';
  constructor(
    readonly promptId: string,
    cause: unknown,
  ) {
    super(`job ${promptId} could not be followed: ${messageOf(cause)}`, {
      cause,
    });
  }
}

/** A server gave a run an id that is refused: ComfyUI gives no such id, or it is another job's. */
export class RefusedRunId extends Error {
  override readonly name = 'RefusedRunId';
  constructor(readonly promptId: string) {
    super(`job ${promptId}: the server gave its run an id that is another job’s, or none that ComfyUI would give`);
  }
}

/** The board, to be read by any part of the pipeline. */
export interface BoardView extends JobReads {
  readonly job: (promptId: string) => Job | undefined;
  readonly session: (clientId: string) => SessionWatch | undefined;
  /** How many jobs the server's queue held by its last `status`. */
  readonly queueRemaining: (serverUrl: string) => number | undefined;
  /** Emits after the board took in an event of this job, such as the opening of its session's socket. */
  readonly changed: (promptId: string) => Observable<unknown>;
}

/**
 * The live jobs of one instance, and the sessions that bring their news. Only `jobChanges` calls the methods of this
 * interface, which change it; all other parts read it as a `BoardView`.
 */
export interface Board extends BoardView {
  /** Takes one event in, and returns what changed. An error while it works on one job fails that job alone (R15). */
  take(event: BoardEvent): readonly Change[];
  /** The server's jobs to look up now. Side effect: a look at its queue for others' moves counts as made. */
  due(serverUrl: string, now: number): readonly Job[];
  /**
   * Whether the session's socket is deaf and must be replaced. Side effects: a `true` is returned once, and the session
   * then counts as reopening; where the server may just be busy, the session's jobs become due instead.
   */
  reopenIfDeaf(clientId: string, now: number): boolean;
  /** Whether bars must move between two ticks of the clock (`moment`): now, and each change of that. */
  readonly hurried$: Observable<boolean>;
}

/** Events that name the job by its `promptId`, whichever run it is in; all others name the run. */
export const addressedByJob: ReadonlySet<JobEvent['tag']> = new Set<JobEvent['tag']>([
  'cancelAsked',
  'reported',
  'posting',
  'refused',
  'abandoned',
  'ticked',
]);
