import {
  BrokenCircuitError,
  ConsecutiveBreaker,
  ExponentialBackoff,
  circuitBreaker,
  handleType,
  type CircuitBreakerPolicy,
} from 'cockatiel';
import { asyncScheduler, catchError, lastValueFrom, tap, throwError, type Observable, type SchedulerLike } from 'rxjs';
import { Agent, errors, request, type Dispatcher } from 'undici';
import { bounds } from '../../streams/bounds';
import { interimAnswers } from '../../streams/operators/interim-answers';
import { withDeadline } from '../../streams/operators/with-deadline';
import { readPython } from '../codecs/python-json';
import { bodyText } from './body-text';
import { NoAnswer, NotAsked, Refusal, Unread, Unreadable, Withheld } from './no-answer';
import { retryAfter } from './retry-after';
import { sparingReader, type ReadAnswer } from './sparing-reader';
import { lengthOf, sent, type Body } from './request-body';
import type { ServerAddress } from '../server-address';

/** An answer that means something: any status but 5xx and 429, and never an HTML page. */
export interface Answer {
  readonly status: number;
  /** The decoded body, or `undefined` where it is empty or plain text. */
  readonly json: unknown;
}

export interface Rest {
  /** Emits one answer and completes; errors with `NoAnswer`. Unsubscribing aborts the request. */
  readonly get: (path: string) => Observable<Answer>;
  /** `assertWanted` is called as the request, and each piece of it, is to be sent; errors with what it throws. */
  readonly post: (path: string, json: string, timeoutMs?: number, assertWanted?: () => void) => Observable<Answer>;
  /**
   * Resolves with an open response, its body unread, of that `Range` where one is given. Rejects with `NoAnswer`, also
   * if all connections for files are busy for too long.
   */
  readonly open: (path: string, range?: string) => Promise<Dispatcher.ResponseData>;
  /** When the server last answered with a status under 400, ms since 1970; 0 if never, or if a later request failed. */
  readonly answeredAt: () => number;
  /** Call if the last answer proved not to be ComfyUI's: it does not count as one. */
  readonly disown: () => void;
  /** Closes the connections. */
  readonly close: () => Promise<void>;
}

export interface RestLimits {
  readonly timeoutMs: number;
  /** Larger answers are no answer: `/queue` with 50 jobs of 60 nodes is 2.9 MiB. */
  readonly maxBytes: number;
  /** Failures in a row after which requests fail at once, until a trial one succeeds. */
  readonly breakAfter: number;
}

const defaultLimits: RestLimits = { timeoutMs: 10_000, maxBytes: 64 << 20, breakAfter: 5 };

/** A server's REST side, over connections and a circuit breaker of its own. */
export function rest(
  { url, headers }: ServerAddress,
  limits: RestLimits = defaultLimits,
  clock: SchedulerLike = asyncScheduler,
): Rest {
  const agent = new Agent({ connect: { timeout: 5_000 }, maxResponseSize: limits.maxBytes, connections: 8 });
  /** Outputs may be of any size, and their readers slow: they must not hold up other requests. */
  const outputs = new Agent({ connect: { timeout: 5_000 }, connections: bounds.downloadsPerServer });
  const breaker = breakerAfter(limits.breakAfter);

  let answeredAt = 0;
  const pause = retryAfter(
    clock,
    () => new NotAsked('not asked, the server wants to be left alone for a while', false),
  );
  const ask = asker(agent, { url, headers }, limits.maxBytes, pause.heed);
  const asking = (path: string, body: Body | undefined, timeoutMs: number): Observable<Answer> =>
    withDeadline(timeoutMs, (signal) => pause.after(() => breaker.execute(() => ask(path, body, signal)))).pipe(
      tap({
        next: ({ status }) => {
          if (status < 400) answeredAt = clock.now();
        },
        error: (error: unknown) => {
          if (!(error instanceof Withheld)) answeredAt = isAnswer(error) ? clock.now() : 0;
        },
      }),
      catchError((error: unknown) => throwError(() => asNoAnswer(error, path))),
    );

  return {
    get: (path) => asking(path, undefined, limits.timeoutMs),
    post: (path, text, timeoutMs = limits.timeoutMs, assertWanted) => asking(path, { text, assertWanted }, timeoutMs),
    open: opener(outputs, { url, headers }, limits.timeoutMs),
    answeredAt: () => answeredAt,
    disown: () => (answeredAt = 0),
    close: async () => {
      await Promise.all([agent.destroy(), outputs.destroy()]);
    },
  };
}

/** Fails requests at once after this many failures in a row, until a trial one succeeds. */
const breakerAfter = (failures: number): CircuitBreakerPolicy =>
  circuitBreaker(
    // A body too large is the fault of one request; an answer that cannot be read concerns one job.
    handleType(NoAnswer, (error) => !wasGivenUp(error) && !isAnswer(error)),
    {
      breaker: new ConsecutiveBreaker(failures),
      halfOpenAfter: new ExponentialBackoff({ initialDelay: 1_000, maxDelay: 5_000 }),
    },
  );

const over = (dispatcher: Dispatcher, signal: AbortSignal) => ({ dispatcher, signal, onInfo: interimAnswers() });

type Address = Pick<ServerAddress, 'url' | 'headers'>;

/** One request and what its answer says; rejects with `NoAnswer`. */
function asker(
  dispatcher: Dispatcher,
  { url, headers }: Address,
  maxBytes: number,
  heed: (status: number, retryAfter: unknown) => void,
) {
  const parse = sparingReader();
  return async (path: string, body: Body | undefined, signal: AbortSignal): Promise<Answer> => {
    try {
      const type = body && { 'content-type': 'application/json', ...lengthOf(body) };
      const response = await request(`${url}${path}`, {
        ...(body ? { method: 'POST', body: sent(body) } : { method: 'GET' }),
        ...over(dispatcher, signal),
        headers: { ...headers, ...type, 'accept-encoding': 'identity' },
      });
      const { 'content-type': contentType, 'content-length': length, location } = response.headers;
      heed(response.statusCode, response.headers['retry-after']);
      if (Number(length) > maxBytes) {
        response.body.on('error', () => undefined).destroy();
        throw tooLarge(path);
      }
      return read(response.statusCode, String(contentType ?? ''), await bodyText(response, maxBytes), location, parse);
    } catch (error) {
      throw asNoAnswer(error, path);
    }
  };
}

/** One open response; rejects with `NoAnswer`. */
function opener(dispatcher: Dispatcher, { url, headers }: Address, timeoutMs: number): Rest['open'] {
  // undici's own time-outs begin once there is a connection; this one includes the wait for it.
  return (path: string, range?: string): Promise<Dispatcher.ResponseData> => {
    const opening$ = withDeadline(timeoutMs, (signal) =>
      request(`${url}${path}`, {
        ...over(dispatcher, signal),
        // What a proxy compresses on the way has no ranges.
        headers: { ...headers, 'accept-encoding': 'identity', ...(range !== undefined && { range }) },
        bodyTimeout: bounds.stallMs,
      }),
    );
    return lastValueFrom(opening$.pipe(catchError((error: unknown) => throwError(() => asNoAnswer(error, path)))));
  };
}

/** What a response says. A proxy's HTML page says nothing about a job, whatever its status. */
export function read(
  status: number,
  contentType: string,
  body: string,
  location?: string | readonly string[],
  parse: ReadAnswer = readPython,
): Answer {
  if (status >= 500 || status === 429) throw new NoAnswer(`status ${status}`, true);
  const isPage = contentType.includes('html') || /^\s*<(!doctype|html)/i.test(body);
  if (isPage && status < 300) throw new NoAnswer(`an HTML page with status ${status}`, true);
  if (isPage || (status >= 300 && status < 400)) {
    const to = typeof location === 'string' ? location.slice(0, 200) : undefined;
    throw new Refusal(isPage ? 'an HTML page' : 'an answer', status, to);
  }
  if (body === '' || contentType.startsWith('text/plain')) {
    // aiohttp's own text begins with the status, as in `405: Method Not Allowed`. Any other is a proxy's.
    if ((status === 404 || status === 405) && body !== '' && !body.startsWith(`${status}: `))
      throw new NoAnswer(`status ${status} with a body that is not ComfyUI's`, true);
    return { status, json: undefined };
  }
  try {
    return { status, json: parse(body) };
  } catch (cause) {
    if (cause instanceof Unread) throw cause;
    const message = `status ${status} with a body that is no JSON`;
    throw status >= 400
      ? new Refusal('a body that is no JSON', status, undefined)
      : new Unreadable(message, true, { cause });
  }
}

/** Whether the server answered all the same: a body too large for a proxy (413) is the fault of its sender. */
const isAnswer = (error: unknown): boolean =>
  error instanceof Unreadable || (error instanceof Refusal && error.status === 413);

/** A request that we aborted or held back says nothing against the server. */
const wasGivenUp = (error: NoAnswer): boolean =>
  error instanceof Withheld || (error.cause as { name?: unknown } | undefined)?.name === 'AbortError';

/** Codes of a connection that was never made, so that nothing was sent. */
const neverSent = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'];

function asNoAnswer(error: unknown, path: string): NoAnswer {
  if (error instanceof NoAnswer) return error;
  const [route = path] = path.split('?');
  if (error instanceof BrokenCircuitError)
    return new NotAsked(`${route}: not asked, the server has not been answering`, false);
  const code = codeOf(error);
  const isTooLarge = error instanceof errors.ResponseExceededMaxSizeError || code === 'ERR_BUFFER_TOO_LARGE';
  if (isTooLarge) return tooLarge(path, error);
  if (unpackable.test(code)) return new Unreadable(`${route}: the answer cannot be unpacked`, true, { cause: error });
  return new NoAnswer(`${route}: ${code}`, !neverSent.includes(code), { cause: error });
}

/** What zlib says of bytes that it cannot unpack. */
const unpackable = /^(Z_|ERR__ERROR_|ERR_BROTLI)/;

const tooLarge = (path: string, cause?: unknown) =>
  new Unreadable(`${path.split('?')[0]}: the answer is too large`, true, { cause });

/** Reads the error's fields: under Jest, Node's own errors are no `instanceof Error`. */
function codeOf(error: unknown): string {
  const { name, code, errors: several } = (error ?? {}) as { name?: unknown; code?: unknown; errors?: unknown };
  if (name === 'TimeoutError') return 'timed out';
  if (Array.isArray(several) && several.length > 0) return codeOf(several[0]);
  return typeof code === 'string' ? code : typeof name === 'string' ? name : 'failed';
}
