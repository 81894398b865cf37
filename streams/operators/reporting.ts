import { EMPTY, catchError, tap, type MonoTypeOperatorFunction, type Observable } from 'rxjs';

/** Where all trouble that ends nothing is told: `where` names the part, in one or two words. */
export type Report = (where: string, error: unknown) => void;

/** Reports an error and passes it on. */
export const reporting = <T>(where: string, report: Report): MonoTypeOperatorFunction<T> =>
  tap({ error: (error: unknown) => report(where, error) });

/** Completes in place of an error: to stand after `reporting`, which has told of it. */
export const orNothing = <T>(source$: Observable<T>): Observable<T> => source$.pipe(catchError(() => EMPTY));
