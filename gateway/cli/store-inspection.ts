import type { Logger } from 'pino';
import { catchError, EMPTY, firstValueFrom, of, retry, throwError, timer, type Observable } from 'rxjs';
import { StoreUnavailable, type JobStore } from '../../sinks/job-store';
import { messageOf } from '../../streams/workflow/shown-text';

/** How often a store that did not answer at the start is inspected again until it does, ms. */
const AGAIN_MS = 2_000;

/**
 * Logs a warning for each setting of the store that may lose states. Throws if the store can never work; with `strict`
 * also if there is a warning, or if the store does not answer. Otherwise one that does not answer is inspected, and its
 * warnings and errors are logged, once it does.
 */
export async function inspect(
  store: Pick<JobStore, 'preflight'>,
  strict: boolean,
  logger: Pick<Logger, 'warn' | 'error'>,
): Promise<void> {
  const warned = (warnings: readonly string[]): void => warnings.forEach((warning) => logger.warn(warning));
  const later = (error: unknown): Observable<readonly string[]> => {
    if (strict || !(error instanceof StoreUnavailable)) throw error;
    logger.warn(`the store could not be inspected: ${error.message}`);
    inspectedOnceThere(store, logger).subscribe(warned);
    return of([]);
  };
  const warnings = await firstValueFrom(store.preflight().pipe(catchError(later)));
  warned(warnings);
  if (strict && warnings.length > 0)
    throw new Error(`STORE_STRICT is set, and the store may lose states: ${warnings.join('; ')}`);
}

/** The warnings of a store once it answers. An error is logged and ends nothing: jobs have been taken by then. */
const inspectedOnceThere = (
  store: Pick<JobStore, 'preflight'>,
  logger: Pick<Logger, 'error'>,
): Observable<readonly string[]> => {
  const again = (error: unknown) => (error instanceof StoreUnavailable ? timer(AGAIN_MS) : throwError(() => error));
  return store.preflight().pipe(
    retry({ delay: again }),
    catchError((error: unknown) => {
      logger.error(messageOf(error));
      return EMPTY;
    }),
  );
};
