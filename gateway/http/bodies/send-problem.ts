import type { Response } from 'express';
import { fromEvent, merge, take, timer } from 'rxjs';
import type { Problem } from '../../wire/problem';

/** How long the rest of a refused body is read, if the connection closes after the answer. */
const LINGER_MS = 5_000;

/**
 * Answers with a problem. If the connection closed while the body still comes, the answer would be cut off, and a proxy
 * would say 502. So it closes once the body has come, or after `LINGER_MS` (RFC 9112, 9.6).
 */
export function sendProblem(response: Response, problem: Problem): void {
  const { req: request } = response;
  const text = JSON.stringify(problem);
  response.status(problem.status).set(problem.headers).type('application/problem+json; charset=utf-8');
  // Not by `response.send`, which adds an `ETag`: a problem is not to be revalidated.
  response.set('Content-Length', String(Buffer.byteLength(text)));
  if (request.complete || response.shouldKeepAlive || problem.headers['Connection'] === 'close') {
    response.end(text);
    return;
  }
  response.write(text);
  const done = merge(fromEvent(request, 'end'), fromEvent(request, 'close'), timer(LINGER_MS)).pipe(take(1));
  done.subscribe(() => response.end());
  request.resume();
}
