import type { ServerStatus } from '../api';
import type { AskedRequest } from '../../sources/telemetry/asked-requests';
import type { SocketEnd } from '../../sources/telemetry/socket-listener';
import type { Change } from '../../streams/board/board';
import type { Failure } from '../../streams/job/job-state';

/** How a call ended: `ok`, without an answer (`unavailable`), or with any other error (`refused`). */
export type CallOutcome = 'ok' | 'unavailable' | 'refused';

/** States that wait to be stored. */
export interface Backlog {
  /** How many jobs have such a state. */
  readonly jobs: number;
  /** How long the job that has waited longest has waited, ms; 0 if none waits. */
  readonly oldestMs: number;
}

/** What a metrics page may read of a running pipeline at any time: cheap, from memory. */
export interface PipelineView {
  /** See `Pipeline.servers`. */
  readonly servers: () => readonly ServerStatus[];
  /** The states that wait to be stored. */
  readonly backlog: () => Backlog;
}

/** An event of a ComfyUI server or its sockets; `server` is its name. */
export type ServerEvent = { readonly server: string } & (
  | ({ readonly tag: 'requested' } & AskedRequest)
  /** One look at jobs. */
  | { readonly tag: 'looked'; readonly jobs: number; readonly outcome: CallOutcome; readonly ms: number }
  /** Posting a run has ended: accepted, or with this `failure`, after `failedTries` attempts without an answer. */
  | { readonly tag: 'posted'; readonly failure: Failure['kind'] | undefined; readonly failedTries: number }
  /** A post got no answer. */
  | { readonly tag: 'postFailed' }
  /** A socket opened, `gapMs` after the session's last one ended; `undefined` for its first. */
  | { readonly tag: 'socketOpened'; readonly gapMs: number | undefined }
  | { readonly tag: 'socketEnded'; readonly end: SocketEnd; readonly wasOpen: boolean }
  | { readonly tag: 'frame' }
  | { readonly tag: 'badFrame' }
);

/** A call of the store, or a state that came over its feed. */
export type StoreEvent =
  | { readonly tag: 'storeCalled'; readonly operation: string; readonly outcome: CallOutcome; readonly ms: number }
  /** The store refused a write, as it holds a state at least as new. */
  | { readonly tag: 'storeStale' }
  /** A state came over the feed, `delayMs` after it was made. */
  | { readonly tag: 'fed'; readonly delayMs: number };

/** An event of this instance, its jobs or its sessions. */
export type InstanceEvent =
  | { readonly tag: 'opened'; readonly pipeline: PipelineView }
  | { readonly tag: 'closed' }
  | (Change & { readonly tag: 'state' | 'released' | 'runAgain' })
  /** A write was refused because a newer owner's state is stored (R11): the job is let go. */
  | { readonly tag: 'fenced' }
  /** Sessions of instances that are gone, or of an earlier process, were taken over, with this many jobs. */
  | { readonly tag: 'tookOver'; readonly sessions: number; readonly jobs: number; readonly ms: number };

/** What happened. The listener is called synchronously, so it must be quick; what it throws ends nothing. */
export type TelemetryEvent = InstanceEvent | ServerEvent | StoreEvent;

/** A listener for telemetry events. */
export type Telemetry = (event: TelemetryEvent) => void;
