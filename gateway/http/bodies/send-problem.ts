import type { Response } from 'express';
import { fromEvent, merge, take, timer } from 'rxjs';
import type { Problem } from '../../wire/problem';

/** For so long the rest of a refused body is read, where the connection is to be closed after the answer. */
const LINGER_MS = 5_000;

/** Answers with a problem. A connection that closes while a body still comes cuts the answer off, and a proxy says 502: it closes when the body has come, or `LINGER_MS` later (RFC 9112, 9.6). */
export function sendProblem(response: Response, problem: Problem): void {
  const { req: request } = response;
  const text = JSON.stringify(problem);
  response.status(problem.status).set(problem.headers).type('application/problem+json; charset=utf-8');
  // Past `send`, which would tag it as if somebody could ask for it again.
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
