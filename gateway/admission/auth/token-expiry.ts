import { asyncScheduler, EMPTY, timer, type Observable } from 'rxjs';
import type { Viewer } from './auth';

/** Emits when the viewer's token ends. `setTimeout` counts to 24.8 days: a longer token is asked for again then. */
export function expiryOf({ expiresAt }: Viewer): Observable<unknown> {
  if (expiresAt === undefined) return EMPTY;
  return timer(Math.min(Math.max(expiresAt - asyncScheduler.now(), 0), 2 ** 31 - 1));
}
