import { Observable, type MonoTypeOperatorFunction } from 'rxjs';
import { NoAnswer } from '../../sources/rest/no-answer';
import { StoreUnavailable } from '../../sinks/job-store';
import type { CallOutcome } from './telemetry-event';

/**
 * Calls `told` when a subscription completes or errors, with the outcome and its time in ms; not when it is cancelled.
 * `came` gets each value. One observable, not three operators: each write of a state is timed.
 */
export const timed =
  <T>(
    told: (outcome: CallOutcome, ms: number) => void,
    came: (value: T) => void = () => undefined,
  ): MonoTypeOperatorFunction<T> =>
  (source$) =>
    new Observable((out) => {
      const began = performance.now();
      return source$.subscribe({
        next: (value) => {
          came(value);
          out.next(value);
        },
        error: (error: unknown) => {
          told(outcomeOf(error), performance.now() - began);
          out.error(error);
        },
        complete: () => {
          told('ok', performance.now() - began);
          out.complete();
        },
      });
    });

const outcomeOf = (error: unknown): CallOutcome =>
  error instanceof NoAnswer || error instanceof StoreUnavailable ? 'unavailable' : 'refused';
