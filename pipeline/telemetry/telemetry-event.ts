import type { ServerStatus } from '../api';
import type { AskedRequest } from '../../sources/telemetry/asked-requests';
import type { SocketEnd } from '../../sources/telemetry/socket-listener';
import type { Change } from '../../streams/board/board';
import type { Failure } from '../../streams/job/job-state';

/** How a call ended: well, not answered, or refused for good. */
export type CallOutcome = 'ok' | 'unavailable' | 'refused';

/** States that wait to be stored. */
export interface Backlog {
  /** Of how many jobs. */
  readonly jobs: number;
  /** How long the oldest of them has waited, in ms; 0 where none waits. */
  readonly oldestMs: number;
}

/** What one may ask of a running pipeline at any time: cheap, and from memory. */
export interface PipelineView {
  /** The servers as they are now. */
  readonly servers: () => readonly ServerStatus[];
  /** What waits for the store. */
  readonly backlog: () => Backlog;
}

/** What a ComfyUI server and its sockets did; `server` is its name. */
export type ServerEvent = { readonly server: string } & (
  | ({ readonly tag: 'requested' } & AskedRequest)
  /** One look at jobs. */
  | { readonly tag: 'looked'; readonly jobs: number; readonly outcome: CallOutcome; readonly ms: number }
  /** Posting one run of a job has ended: accepted, or failed so, after so many tries without an answer. */
  | { readonly tag: 'posted'; readonly failure: Failure['kind'] | undefined; readonly failedTries: number }
  /** A post got no answer. */
  | { readonly tag: 'postFailed' }
  /** A socket opened, so long after the one before it ended; `undefined` for the first of its session. */
  | { readonly tag: 'socketOpened'; readonly gapMs: number | undefined }
  | { readonly tag: 'socketEnded'; readonly end: SocketEnd; readonly wasOpen: boolean }
  | { readonly tag: 'frame' }
  | { readonly tag: 'badFrame' }
);

/** What the store was asked, and what came over its feed. */
export type StoreEvent =
  | { readonly tag: 'storeCalled'; readonly operation: string; readonly outcome: CallOutcome; readonly ms: number }
  /** The store holds a state at least as new as the one that was to be written. */
  | { readonly tag: 'storeStale' }
  /** A state came over the feed so long after it was made. */
  | { readonly tag: 'fed'; readonly delayMs: number };

/** What became of this instance's jobs and sessions. */
export type InstanceEvent =
  | { readonly tag: 'opened'; readonly pipeline: PipelineView }
  | { readonly tag: 'closed' }
  | (Change & { readonly tag: 'state' | 'released' | 'runAgain' })
  /** A write was refused because a newer owner's is stored (R11): the job is let go. */
  | { readonly tag: 'fenced' }
  /** Sessions of an instance that is gone, or the jobs of an earlier run, were taken over with so many jobs. */
  | { readonly tag: 'tookOver'; readonly sessions: number; readonly jobs: number; readonly ms: number };

/** What happened, for whoever counts it: told at once, in the thread of what happened, so a listener is to be quick. What it throws is its own, and ends nothing. */
export type TelemetryEvent = InstanceEvent | ServerEvent | StoreEvent;

/** Who is told of what happens. */
export type Telemetry = (event: TelemetryEvent) => void;
