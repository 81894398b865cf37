import { defer, tap, type Observable } from 'rxjs';
import { NotAsked } from '../rest/no-answer';
import type { Answer, Rest } from '../rest/rest';

/**
 * One request: answered, not answered, or not sent, because the server has not been answering or wants to be left
 * alone.
 */
export interface AskedRequest {
  readonly method: 'GET' | 'POST';
  /** Without its query. */
  readonly path: string;
  readonly outcome: 'answered' | 'unanswered' | 'not_sent';
  readonly ms: number;
}

/** Calls `asked` for each request of `rest` that was not given up; not for files. */
export function askedRequests(rest: Rest, asked: (request: AskedRequest) => void): Rest {
  const timed = (method: 'GET' | 'POST', path: string, answer$: Observable<Answer>): Observable<Answer> =>
    defer(() => {
      const began = performance.now();
      const told = (outcome: AskedRequest['outcome']): void =>
        asked({ method, path: path.split('?')[0] ?? path, outcome, ms: performance.now() - began });
      return answer$.pipe(
        tap({
          next: () => told('answered'),
          error: (error: unknown) => told(error instanceof NotAsked ? 'not_sent' : 'unanswered'),
        }),
      );
    });
  return {
    ...rest,
    get: (path) => timed('GET', path, rest.get(path)),
    post: (path, ...given) => timed('POST', path, rest.post(path, ...given)),
  };
}
