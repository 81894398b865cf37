import { asyncScheduler, EMPTY, timer, type Observable } from 'rxjs';
import { MOST_TIMER_MS } from '../../../streams/options';
import type { Viewer } from './auth';

/** Emits when the viewer's token ends; a token that lives past what a timer counts to is asked for again then. */
export function expiryOf({ expiresAt }: Viewer): Observable<unknown> {
  if (expiresAt === undefined) return EMPTY;
  return timer(Math.min(Math.max(expiresAt - asyncScheduler.now(), 0), MOST_TIMER_MS));
}
