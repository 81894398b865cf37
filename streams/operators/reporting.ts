import { EMPTY, catchError, tap, type MonoTypeOperatorFunction, type Observable } from 'rxjs';

/**
 * Takes every error that ends nothing; `where` names the part that met it, in one or two words, and `serverUrl` the
 * ComfyUI that it is about, without a login, if it is about one.
 */
export type Report = (where: string, error: unknown, serverUrl?: string) => void;

/** Calls `report` when the source errors, and passes the error on unchanged. */
export const reporting = <T>(where: string, report: Report, serverUrl?: string): MonoTypeOperatorFunction<T> =>
  tap({
    error: (error: unknown) => (serverUrl === undefined ? report(where, error) : report(where, error, serverUrl)),
  });

/** For work of which nothing hangs on its success: reports an error, and completes instead. */
export type Attempted = <T>(work$: Observable<T>) => Observable<T>;

/** The same, with where the error is said to have been met. */
export const skippingErrors =
  (where: string, report: Report, serverUrl?: string): Attempted =>
  (work$) =>
    work$.pipe(reporting(where, report, serverUrl), orNothing);

/**
 * For work that is tried again and again: reports errors and passes them on, but of an outage, which `isOutage` tells,
 * only the first until a source completes. All sources that one result is put on share that.
 */
export function reportingOutages(
  where: string,
  report: Report,
  isOutage: (error: unknown) => boolean,
): <T>() => MonoTypeOperatorFunction<T> {
  let isAway = false;
  const failed = (error: unknown): void => {
    const isKnown = isAway && isOutage(error);
    isAway ||= isOutage(error);
    if (!isKnown) report(where, error);
  };
  return () => tap({ complete: () => (isAway = false), error: failed });
}

/** Completes where the source errors. Use it after `reporting`, unless another part reports the error. */
export const orNothing = <T>(source$: Observable<T>): Observable<T> => source$.pipe(catchError(() => EMPTY));
