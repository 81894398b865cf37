import { defer, tap, type MonoTypeOperatorFunction } from 'rxjs';
import { NoAnswer } from '../../sources/rest/rest';
import { StoreUnavailable } from '../../sinks/job-store';
import type { CallOutcome } from './telemetry-event';

/**
 * Calls `told` when a subscription completes or errors, with the outcome and its time in ms; not when it is cancelled.
 */
export const timed =
  <T>(told: (outcome: CallOutcome, ms: number) => void): MonoTypeOperatorFunction<T> =>
  (source$) =>
    defer(() => {
      const began = performance.now();
      return source$.pipe(
        tap({
          complete: () => told('ok', performance.now() - began),
          error: (error: unknown) => told(outcomeOf(error), performance.now() - began),
        }),
      );
    });

const outcomeOf = (error: unknown): CallOutcome =>
  error instanceof NoAnswer || error instanceof StoreUnavailable ? 'unavailable' : 'refused';
