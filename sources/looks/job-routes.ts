import { catchError, concatMap, defer, map, of, tap, throwError, type Observable } from 'rxjs';
import { historyIdOf, historyIdsOf, historyOf, type Ends } from '../codecs/history.codec';
import {
  endedListOf,
  isPartOfList,
  isQueueInfo,
  isRefusal,
  jobListOf,
  jobOf,
  queueOf,
  type Found,
  type Queued,
} from '../codecs/lookup.codec';
import { NoAnswer, Unreadable, type Answer, type Rest } from '../rest/rest';
import { MARK } from './places';

/**
 * What a server says of its jobs. Errors with `NoAnswer` if there is no answer, `Unreadable` if it cannot be read (R4).
 */
export interface JobRoutes {
  /** The jobs that run or wait, in the order in which they run. */
  readonly queue: () => Observable<readonly Queued[]>;
  /** One job by its id: in the queue, ended, or absent. */
  readonly one: (promptId: string) => Observable<Found>;
  /** The jobs that have ended, as far as the server tells in one answer. */
  readonly ends: () => Observable<Ends>;
  /** Emits if the server answers as ComfyUI does; errors with `NoAnswer` if not. */
  readonly answers: () => Observable<true>;
  /**
   * The id that a server before 0.3.64 gave the ended job that was posted as `promptId`; `undefined` if there is none.
   */
  readonly renamed: (promptId: string) => Observable<string | undefined>;
  /** Whether the server has proven to lack `/api/jobs`, and so all later routes. */
  readonly isLegacy: () => boolean;
  /** Call when the server has shown whether jobs keep the ids that they are posted with. */
  readonly knowsWhetherIdsStay: (doThey: boolean) => void;
}

/** Requests for single jobs under way at once. */
export const CONCURRENT_DETAILS = 4;

/**
 * If this many jobs are not in the queue, the list of ended jobs is asked for first: a restarted server has none of
 * them.
 */
export const MIN_FOR_LIST = 3;

/** History entries read at a time: each may hold a workflow of 60 KB. */
const MAX_HISTORY_ITEMS = 32;

const historyPath = (promptId: string): string => `/history/${encodeURIComponent(promptId)}`;

type Asked = Pick<Rest, 'get' | 'disown'>;
type Parse<T> = (answer: Answer) => T | undefined;

/**
 * Whether an answer says that there is no such route: 404 without JSON, or 405. If there is, a 404 has a JSON error.
 */
export const lacksRoute = ({ status, json }: Answer): boolean =>
  (status === 404 || status === 405) && json === undefined;

/**
 * Asks through the cheapest routes the server has: `/api/jobs` if there is one, else `/queue` and `/history/{id}`. The
 * first answer tells which it has.
 */
export function jobRoutes(rest: Asked): JobRoutes {
  const routes = new FoundRoutes(rest);
  return {
    queue: () => routes.queue(),
    one: (promptId) => routes.one(promptId),
    ends: () => routes.ends(),
    answers: () => routes.answers(),
    renamed: (promptId) => routes.renamed(promptId),
    isLegacy: () => routes.isLegacy(),
    knowsWhetherIdsStay: (doThey) => routes.knowsWhetherIdsStay(doThey),
  };
}

class FoundRoutes implements JobRoutes {
  readonly #rest: Asked;
  /** Whether the server lacks `/api/jobs`, and has the older routes. */
  #legacy = false;
  /** Whether it refuses the states that are asked for there, or lists only some of the jobs, and has `/queue`. */
  #isListStrange = false;
  #endings = 'completed,failed,cancelled';
  #idsStay = false;
  /** How many entries of its history are read for marks: half as many each time they were too large to be read. */
  #marked = MAX_HISTORY_ITEMS;

  constructor(rest: Asked) {
    this.#rest = rest;
  }

  queue(): Observable<readonly Queued[]> {
    const old = (): Observable<readonly Queued[]> => this.#asked('/queue', ({ json }) => queueOf(json));
    const path = '/api/jobs?status=in_progress,pending';
    return defer(() => {
      if (this.#legacy || this.#isListStrange) return old();
      return this.#rest.get(path).pipe(
        concatMap((answer) => {
          if (lacksRoute(answer)) return old().pipe(tap(() => (this.#legacy = true)));
          // A later ComfyUI may have other states; but a proxy says 400, too: the answer of the older route is the
          // proof.
          // And a page of the queue is none: a job that is on no page read here would count as absent.
          if (answer.status === 400 || isPartOfList(answer.json))
            return old().pipe(tap(() => (this.#isListStrange = true)));
          return of(this.#parsed(answer, path, ({ json }) => jobListOf(json)));
        }),
      );
    });
  }

  one(promptId: string): Observable<Found> {
    const id = encodeURIComponent(promptId);
    return this.#either<Found>(
      `/api/jobs/${id}`,
      ({ status, json }) => (status === 404 && isRefusal(json) ? { tag: 'absent' } : jobOf(json)),
      () => this.#rest.get(historyPath(promptId)).pipe(map((answer) => this.#historyIn(answer, promptId))),
    ).pipe(
      concatMap((found) => {
        if (found.isUnsure === true) return this.#madeSure(found, promptId);
        // A proxy may say 404 with such an error, too: `answers` checks that ComfyUI is there.
        return found.tag === 'absent' && !this.#legacy ? this.answers().pipe(map(() => found)) : of(found);
      }),
    );
  }

  /** The end that history tells; `found` if it tells none, or the route is there no more. */
  #madeSure({ isUnsure: _, ...found }: Found, promptId: string): Observable<Found> {
    return this.#rest.get(historyPath(promptId)).pipe(
      map((answer) => {
        const told = lacksRoute(answer) ? undefined : this.#historyIn(answer, promptId);
        return told?.tag === 'ended' ? told : found;
      }),
    );
  }

  /**
   * Reads only a 200: an object without the job means that it is absent, and a proxy's error must not mean that (R4).
   */
  #historyIn(answer: Answer, promptId: string): Found {
    return this.#parsed(answer, historyPath(promptId), ({ status, json }) =>
      status === 200 ? historyOf(json, promptId) : undefined,
    );
  }

  ends(): Observable<Ends> {
    return this.#either<Ends>(
      `/api/jobs?status=${this.#endings}&limit=${MAX_HISTORY_ITEMS}`,
      ({ status, json }) => {
        // Up to 0.8 ComfyUI has no `cancelled`, and answers 400: it is left out from now on.
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
    return this.#asked('/prompt', ({ status, json }) => (status === 200 && isQueueInfo(json) ? true : undefined)).pipe(
      // Only ComfyUI answers this: anything else readable is a proxy's, and so no answer.
      catchError((error: unknown) =>
        throwError(() => (error instanceof Unreadable ? new NoAnswer(error.message, true) : error)),
      ),
    );
  }

  renamed(promptId: string): Observable<string | undefined> {
    return defer(() => {
      if (!this.#legacy || this.#idsStay) return of(undefined);
      // Only our mark tells the job, and the last few entries are enough, as this is asked soon after the post.
      const items = this.#marked;
      return this.#rest.get(`/history?max_items=${items}`).pipe(
        map(({ status, json }) => {
          if (status !== 200) throw this.#notComfyUIs('/history', status);
          return historyIdOf(json, (extraData) => extraData[MARK] === promptId);
        }),
        catchError((error: unknown) => {
          if (!(error instanceof Unreadable) || items === 1) throw error;
          this.#marked = Math.max(1, Math.min(this.#marked, items >> 1));
          return this.renamed(promptId);
        }),
      );
    });
  }

  isLegacy(): boolean {
    return this.#legacy;
  }

  knowsWhetherIdsStay(doThey: boolean): void {
    this.#idsStay = doThey;
  }

  /** A proxy may say for a while that there is no such route: only an answer of the older routes proves it. */
  #either<T>(path: string, parse: Parse<T>, old: () => Observable<T>): Observable<T> {
    return defer(() => {
      if (this.#legacy) return old();
      return this.#rest
        .get(path)
        .pipe(
          concatMap((answer) =>
            lacksRoute(answer) ? old().pipe(tap(() => (this.#legacy = true))) : of(this.#parsed(answer, path, parse)),
          ),
        );
    });
  }

  #asked<T>(path: string, parse: Parse<T>): Observable<T> {
    return this.#rest.get(path).pipe(map((answer) => this.#parsed(answer, path, parse)));
  }

  #parsed<T>(answer: Answer, path: string, parse: Parse<T>): T {
    const value = parse(answer);
    if (value !== undefined) return value;
    if (answer.status === 200 && answer.json !== undefined)
      throw new Unreadable(`${path}: status 200 with a body that is not ComfyUI's`, true);
    throw this.#notComfyUIs(path, answer.status);
  }

  #notComfyUIs(path: string, status: number): NoAnswer {
    this.#rest.disown();
    return new NoAnswer(`${path}: status ${status} with a body that is not ComfyUI's`, true);
  }
}
