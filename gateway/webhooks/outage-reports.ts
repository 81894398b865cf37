import { tap, type MonoTypeOperatorFunction } from 'rxjs';
import { StoreUnavailable } from '../../sinks/job-store';
import type { Report } from '../../streams/operators/reporting';

/**
 * Reports errors and passes them on. An outage of the store, which is asked every second, is reported once until a
 * success.
 */
export function outageReports(where: string, report: Report): <T>() => MonoTypeOperatorFunction<T> {
  let isAway = false;
  const failed = (error: unknown): void => {
    const isKnown = isAway && error instanceof StoreUnavailable;
    isAway ||= error instanceof StoreUnavailable;
    if (!isKnown) report(where, error);
  };
  return () => tap({ complete: () => (isAway = false), error: failed });
}
