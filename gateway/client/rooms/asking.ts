import { EMPTY, retry, switchMap, throwError, timer, type MonoTypeOperatorFunction, type Observable } from 'rxjs';
import type { Refusal } from '../../wire/protocol';
import { JobstreamError } from '../jobstream-error';
import type { Link } from '../link';

/** How long the gateway may take to answer before it is asked again. */
export const ANSWER_MS = 10_000;
/** Refusals that are final. After any other, the client asks again. */
const FINAL: ReadonlySet<string> = new Set([
  'bad-request',
  'unauthorized',
  'forbidden',
  'unknown-job',
  'too-many-jobs',
]);
const FIRST_MS = 500;
const MOST_MS = 15_000;

/** Calls `ask` for each new connection, and emits nothing while there is none. */
export const overEach = <T>(link$: Observable<Link | undefined>, ask: (link: Link) => Observable<T>): Observable<T> =>
  link$.pipe(switchMap((link) => (link === undefined ? EMPTY : ask(link))));

/**
 * Resubscribes after an error that may pass, 0.5 s to 15 s later. `passes` may accept some that are final otherwise.
 */
export const patiently = <T>(
  passes: (error: JobstreamError, times: number) => boolean = () => false,
): MonoTypeOperatorFunction<T> =>
  retry({
    delay: (error: unknown, times) => {
      if (!(error instanceof JobstreamError)) return throwError(() => error);
      if (FINAL.has(error.code) && !passes(error, times)) return throwError(() => error);
      return timer(Math.min(FIRST_MS * 2 ** (times - 1), MOST_MS) * (0.5 + Math.random() / 2));
    },
  });

export const refusalOf = ({ error: { code, message } }: Refusal): JobstreamError => new JobstreamError(code, message);

export const noAnswer = (cause: Error): JobstreamError =>
  new JobstreamError('no-answer', 'The gateway does not answer.', { cause });
