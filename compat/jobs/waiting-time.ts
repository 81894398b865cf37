import { NEVER, timer, type Observable } from 'rxjs';
import { realClock } from './real-clock';

/** What `setTimeout` counts to, ms; what is more it would take for 1. */
export const MOST_MS = 2 ** 31 - 1;

/** A number that an application gives, 0 or more; `Number` of a variable that is not set would have it wait for ever, or not at all. Throws a `TypeError`. */
export function notNegative(name: string, given: number): number {
  if (typeof given === 'number' && given >= 0) return given;
  throw new TypeError(`${name} must be a number, not negative`);
}

/** Emits after so many ms; `Infinity`, and what is longer than 24 days, never comes. */
export const after = (ms: number): Observable<unknown> => (ms > MOST_MS ? NEVER : timer(ms, realClock));
