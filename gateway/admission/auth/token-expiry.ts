import { asyncScheduler, EMPTY, timer, type Observable } from 'rxjs';
import { MOST_TIMER_MS } from '../../../streams/options';
import type { Viewer } from './auth';

/**
 * Emits when the viewer's token expires, or after 24.8 days, the longest time of a timer; never if it does not expire.
 */
export function expiryOf({ expiresAt }: Viewer): Observable<unknown> {
  if (expiresAt === undefined) return EMPTY;
  return timer(Math.min(Math.max(expiresAt - asyncScheduler.now(), 0), MOST_TIMER_MS));
}
