import { NEVER, timer, type Observable } from 'rxjs';
import { realClock } from './real-clock';

/** The longest time that `setTimeout` takes, ms; it takes a longer one for 1. */
export const MOST_MS = 2 ** 31 - 1;

/**
 * Checks a number that an application gives: 0 or more. `Number` of an unset variable is `NaN`, which would have it
 * wait for ever, or not at all. Throws a `TypeError`.
 */
export function notNegative(name: string, given: number): number {
  if (typeof given === 'number' && given >= 0) return given;
  throw new TypeError(`${name} must be a number, not negative`);
}

/** Emits after `ms`; never if that is `Infinity`, or longer than 24 days. */
export const after = (ms: number): Observable<unknown> => (ms > MOST_MS ? NEVER : timer(ms, realClock));
