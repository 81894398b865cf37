import { concatMap, defer, map, of, type Observable } from 'rxjs';
import {
  endedListOf,
  historyIdOf,
  historyIdsOf,
  historyOf,
  isQueueInfo,
  isRefusal,
  jobListOf,
  jobOf,
  queueOf,
  type Ends,
  type Found,
  type Queued,
} from '../codecs/lookup.codec';
import { NoAnswer, Unreadable, type Answer } from '../rest/rest';
import { MARK } from './places';

/** What a server says of its jobs. Errors with `NoAnswer` where there is no answer, with `Unreadable` where one cannot be read (R4). */
export interface Lookup {
  /** The jobs in hand: running first, then in the order of the queue. */
  readonly queue: () => Observable<readonly Queued[]>;
  /** One job that is not in the queue: its end, or nothing. */
  readonly one: (promptId: string) => Observable<Found>;
  /** The jobs that have ended, as far as the server tells in one answer. */
  readonly ends: () => Observable<Ends>;
  /** Emits if the server answers as ComfyUI does; errors with `NoAnswer` if not. */
  readonly answers: () => Observable<true>;
  /** The id that a server of before 0.3.64 gave the job which was posted as `promptId`, once it has ended; `undefined` where there is none. */
  readonly renamed: (promptId: string) => Observable<string | undefined>;
}

/** History entries read at a time: each may hold a workflow of 60 KB. */
const MAX_HISTORY_ITEMS = 32;

type Get = (path: string) => Observable<Answer>;
type Parse<T> = (answer: Answer) => T | undefined;

/**
 * Asks through the cheapest routes the server has: `/api/jobs` where there is one, else `/queue` and `/history/{id}`.
 * Which it has, the first answer tells.
 */
export function lookup(get: Get): Lookup {
  const routes = new Routes(get);
  return {
    queue: () => routes.queue(),
    one: (promptId) => routes.one(promptId),
    ends: () => routes.ends(),
    answers: () => routes.answers(),
    renamed: (promptId) => routes.renamed(promptId),
  };
}

class Routes implements Lookup {
  readonly #get: Get;
  /** Whether the server lacks `/api/jobs`. */
  #legacy = false;
  #endings = 'completed,failed,cancelled';

  constructor(get: Get) {
    this.#get = get;
  }

  queue(): Observable<readonly Queued[]> {
    return this.#either(
      '/api/jobs?status=in_progress,pending',
      ({ json }) => jobListOf(json),
      () => this.#asked('/queue', ({ json }) => queueOf(json)),
    );
  }

  one(promptId: string): Observable<Found> {
    const id = encodeURIComponent(promptId);
    return this.#either<Found>(
      `/api/jobs/${id}`,
      ({ status, json }) => (status === 404 && isRefusal(json) ? { tag: 'absent' } : jobOf(json)),
      // Any object without the job in it says that it is absent: so must an error of somebody before ComfyUI not (R4).
      () =>
        this.#asked(`/history/${id}`, ({ status, json }) => (status === 200 ? historyOf(json, promptId) : undefined)),
    );
  }

  ends(): Observable<Ends> {
    return this.#either<Ends>(
      `/api/jobs?status=${this.#endings}&limit=${MAX_HISTORY_ITEMS}`,
      ({ status, json }) => {
        // Up to 0.8 there is no `cancelled`, and a 400 for who asks for it.
        if (status === 400 && isRefusal(json)) this.#endings = 'completed,failed';
        return endedListOf(json);
      },
      () =>
        this.#asked(`/history?max_items=${MAX_HISTORY_ITEMS}`, ({ status, json }) =>
          status === 200 ? historyIdsOf(json, MARK, MAX_HISTORY_ITEMS) : undefined,
        ),
    );
  }

  answers(): Observable<true> {
    return this.#get('/prompt').pipe(
      map(({ status, json }) => {
        if (status !== 200 || !isQueueInfo(json)) throw new NoAnswer(`/prompt: status ${status}, not ComfyUI's`, true);
        return true;
      }),
    );
  }

  renamed(promptId: string): Observable<string | undefined> {
    return defer(() => {
      if (!this.#legacy) return of(undefined);
      // Only the mark tells, and the last few entries are enough: it is asked for soon after the post.
      return this.#get(`/history?max_items=${MAX_HISTORY_ITEMS}`).pipe(
        map(({ status, json }) => {
          if (status !== 200) throw new NoAnswer(`/history: status ${status}`, true);
          return historyIdOf(json, (extraData) => extraData[MARK] === promptId);
        }),
      );
    });
  }

  /** A server without the route says 404 with an empty body, or 405; with it, 404 comes with a JSON error. */
  #either<T>(path: string, parse: Parse<T>, old: () => Observable<T>): Observable<T> {
    return defer(() => {
      if (this.#legacy) return old();
      return this.#get(path).pipe(
        concatMap((answer) => {
          this.#legacy = (answer.status === 404 || answer.status === 405) && answer.json === undefined;
          return this.#legacy ? old() : of(parsed(answer, path, parse));
        }),
      );
    });
  }

  #asked<T>(path: string, parse: Parse<T>): Observable<T> {
    return this.#get(path).pipe(map((answer) => parsed(answer, path, parse)));
  }
}

function parsed<T>(answer: Answer, path: string, parse: Parse<T>): T {
  const value = parse(answer);
  if (value !== undefined) return value;
  const message = `${path}: status ${answer.status} with a body that is not ComfyUI's`;
  throw answer.status === 200 && answer.json !== undefined
    ? new Unreadable(message, true)
    : new NoAnswer(message, true);
}
