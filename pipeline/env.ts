import type { SchedulerLike } from 'rxjs';
import { StoreUnavailable } from '../sinks/job-store';
import { NoAnswer } from '../sources/rest/no-answer';
import { SocketClosed } from '../sources/session';
import type { Backoff } from '../streams/operators/backoff';
import { Overslept } from '../streams/operators/error-after-sleep';
import type { Telemetry } from './telemetry/telemetry-event';
import type { Report } from '../streams/operators/reporting';

/** What every part of the pipeline needs. */
export interface Env {
  readonly clock: SchedulerLike;
  readonly random: () => number;
  readonly report: Report;
  /** The owner's telemetry listener, if there is one. */
  readonly tell?: Telemetry | undefined;
  /** The waits between attempts at a server or a store. */
  readonly backoff: Backoff;
}

/** Whether an error comes from outside and may pass. Any other is a bug of ours, and the operation is not repeated. */
export const isTransient = (error: unknown): boolean =>
  error instanceof NoAnswer ||
  error instanceof StoreUnavailable ||
  error instanceof SocketClosed ||
  error instanceof Overslept;
