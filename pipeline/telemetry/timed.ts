import { defer, tap, type MonoTypeOperatorFunction } from 'rxjs';
import { NoAnswer } from '../../sources/rest/rest';
import { StoreUnavailable } from '../../sinks/job-store';
import type { CallOutcome } from './telemetry-event';

/** Tells how each subscription ended and how many ms it took; of one that is given up, nothing. */
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
