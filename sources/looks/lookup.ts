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
import { NoAnswer, Unreadable, type Answer } from '../rest';
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
const FEW = 32;

/**
 * Asks through the cheapest routes the server has: `/api/jobs` where there is one, else `/queue` and `/history/{id}`.
 * Which it has, the first answer tells.
 */
export function lookup(get: (path: string) => Observable<Answer>): Lookup {
  let legacy = false;
  let endings = 'completed,failed,cancelled';

  /** A server without the route says 404 with an empty body, or 405; with it, 404 comes with a JSON error. */
  const either = <T>(path: string, parse: (answer: Answer) => T | undefined, old: () => Observable<T>): Observable<T> =>
    defer(() => {
      if (legacy) return old();
      return get(path).pipe(
        concatMap((answer) => {
          legacy = (answer.status === 404 || answer.status === 405) && answer.json === undefined;
          return legacy ? old() : of(parsed(answer, path, parse));
        }),
      );
    });
  const asked = <T>(path: string, parse: (answer: Answer) => T | undefined): Observable<T> =>
    get(path).pipe(map((answer) => parsed(answer, path, parse)));

  return {
    queue: () =>
      either(
        '/api/jobs?status=in_progress,pending',
        ({ json }) => jobListOf(json),
        () => asked('/queue', ({ json }) => queueOf(json)),
      ),
    one: (promptId) =>
      either<Found>(
        `/api/jobs/${encodeURIComponent(promptId)}`,
        ({ status, json }) => (status === 404 && isRefusal(json) ? { tag: 'absent' } : jobOf(json)),
        // Any object without the job in it says that it is absent: so must an error of somebody before ComfyUI not (R4).
        () =>
          asked(`/history/${encodeURIComponent(promptId)}`, ({ status, json }) =>
            status === 200 ? historyOf(json, promptId) : undefined,
          ),
      ),
    ends: () =>
      either<Ends>(
        `/api/jobs?status=${endings}&limit=${FEW}`,
        ({ status, json }) => {
          // Up to 0.8 there is no `cancelled`, and a 400 for who asks for it.
          if (status === 400 && isRefusal(json)) endings = 'completed,failed';
          return endedListOf(json);
        },
        () =>
          asked(`/history?max_items=${FEW}`, ({ status, json }) =>
            status === 200 ? historyIdsOf(json, MARK, FEW) : undefined,
          ),
      ),
    answers: () =>
      get('/prompt').pipe(
        map(({ status, json }) => {
          if (status !== 200 || !isQueueInfo(json))
            throw new NoAnswer(`/prompt: status ${status}, not ComfyUI's`, true);
          return true;
        }),
      ),
    renamed: (promptId) =>
      defer(() => {
        if (!legacy) return of(undefined);
        // Only the mark tells, and the last few entries are enough: it is asked for soon after the post.
        return get(`/history?max_items=${FEW}`).pipe(
          map(({ status, json }) => {
            if (status !== 200) throw new NoAnswer(`/history: status ${status}`, true);
            return historyIdOf(json, (extraData) => extraData[MARK] === promptId);
          }),
        );
      }),
  };
}

function parsed<T>(answer: Answer, path: string, parse: (answer: Answer) => T | undefined): T {
  const value = parse(answer);
  if (value !== undefined) return value;
  const message = `${path}: status ${answer.status} with a body that is not ComfyUI's`;
  throw answer.status === 200 && answer.json !== undefined
    ? new Unreadable(message, true)
    : new NoAnswer(message, true);
}
