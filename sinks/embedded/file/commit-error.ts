import { catchError, from, of, type Observable } from 'rxjs';

/**
 * lmdb only says "Commit failed". The reason is in its promise `commitError`: if nobody handles that, its rejection
 * ends the process.
 */
export function causeOf(error: unknown): Observable<unknown> {
  const reason = (error as { commitError?: Promise<unknown> }).commitError;
  return reason === undefined ? of(error) : from(reason).pipe(catchError((cause: unknown) => of(cause)));
}
