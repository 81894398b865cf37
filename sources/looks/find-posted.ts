import { catchError, concatMap, map, of, type Observable } from 'rxjs';
import { Unreadable } from '../rest/rest';
import type { Lookup } from './lookup';
import { inQueueAs } from './places';

/** The id under which a server holds the workflow that was posted as `promptId`, or `undefined` where it holds none. */
export function findPosted({ queue, one, renamed }: Lookup, promptId: string): Observable<string | undefined> {
  const alone = (): Observable<string | undefined> =>
    one(promptId).pipe(concatMap((found) => (found.tag === 'absent' ? renamed(promptId) : of(promptId))));
  return queue().pipe(
    // Strangers' workflows may make it too large to be read: what has ended is found all the same, and nothing is called absent.
    catchError((error: unknown) => {
      if (!(error instanceof Unreadable)) throw error;
      return alone().pipe(
        map((id) => {
          if (id === undefined) throw error;
          return { id };
        }),
      );
    }),
    concatMap((found) => {
      if ('id' in found) return of(found.id);
      const queued = inQueueAs(found, promptId);
      return queued === undefined ? alone() : of(queued.promptId);
    }),
  );
}
