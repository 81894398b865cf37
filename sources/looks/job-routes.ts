import { catchError, concatMap, defer, map, of, tap, throwError, type Observable } from 'rxjs';
import { historyIdsOf, historyOf, markedIn, type Ends } from '../codecs/history.codec';
import {
  endedListOf,
  isAbout,
  isPartOfList,
  isQueueInfo,
  isRefusal,
  jobListOf,
  jobOf,
  queueOf,
  type Whereabouts,
  type Queued,
} from '../codecs/jobs.codec';
import { NoAnswer, Unreadable } from '../rest/no-answer';
import type { Answer, Rest } from '../rest/rest';
import { MARK } from './queue-places';

/**
 * What a server says of its jobs. Errors with `NoAnswer` if there is no answer, `Unreadable` if it cannot be read (R4).
 */
export interface JobRoutes {
  /** The jobs that run or wait, in the order in which they run. */
  readonly queue: () => Observable<readonly Queued[]>;
  /** The same with everybody's workflows, which the cheapest route may leave out. */
  readonly wholeQueue: () => Observable<readonly Queued[]>;
  /** One job by its id: in the queue, ended, or absent. */
  readonly one: (promptId: string) => Observable<Whereabouts>;
  /** The jobs that have ended, as far as the server tells in one answer. */
  readonly ends: () => Observable<Ends>;
  /** Emits if the server answers as ComfyUI does; errors with `NoAnswer` if not. */
  readonly answers: () => Observable<true>;
  /**
   * The ids that a server before 0.3.64 gave ended jobs, by the ids that these were posted under. Reads at least the
   * last entries of the history, and further back until it has all of `promptIds`, or is past `since`, ms since 1970.
   */
  readonly renamed: (promptIds: readonly string[], since?: number) => Observable<ReadonlyMap<string, string>>;
  /** Whether the server has proven to lack `/api/jobs`, and so all later routes. */
  readonly isLegacy: () => boolean;
  /** Call when the server has shown whether jobs keep the ids that they are posted with. */
  readonly knowsWhetherIdsStay: (doThey: boolean) => void;
}

/** Requests for single jobs under way at once. */
export const CONCURRENT_DETAILS = 4;
/** If this many jobs are not in the queue, the list of ended jobs comes first: a restarted server has none of them. */
export const MIN_FOR_LIST = 3;

/** History entries read at a time: each may hold a workflow of 60 KB. */
const MAX_HISTORY_ITEMS = 32;
/** ComfyUI remembers no more. */
const ALL_HISTORY_ITEMS = 10_000;
/** By how much a server's clock may differ from ours, ms. */
const CLOCKS_MS = 3_600_000;

const historyPath = (promptId: string): string => `/history/${encodeURIComponent(promptId)}`;

type Asked = Pick<Rest, 'get' | 'disown'>;
type Parse<T> = (answer: Answer) => T | undefined;

/** Whether an answer says that there is no such route: 404 without JSON, or 405. If there is, a 404 has a JSON error. */
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
    wholeQueue: () => routes.wholeQueue(),
    one: (promptId) => routes.one(promptId),
    ends: () => routes.ends(),
    answers: () => routes.answers(),
    renamed: (promptIds, since) => routes.renamed(promptIds, since),
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

  wholeQueue(): Observable<readonly Queued[]> {
    return this.#asked('/queue', ({ json }) => queueOf(json));
  }

  queue(): Observable<readonly Queued[]> {
    const path = '/api/jobs?status=in_progress,pending';
    return defer(() => {
      if (this.#legacy || this.#isListStrange) return this.wholeQueue();
      return this.#rest.get(path).pipe(
        concatMap((answer) => {
          if (lacksRoute(answer)) return this.wholeQueue().pipe(tap(() => (this.#legacy = true)));
          // A later ComfyUI may have other states; but a proxy says 400, too: only the older route's answer is proof.
          // And a page of the queue is none: a job that is on no page read here would count as absent.
          if (answer.status === 400 || isPartOfList(answer.json))
            return this.wholeQueue().pipe(tap(() => (this.#isListStrange = true)));
          return of(this.#parsed(answer, path, ({ json }) => jobListOf(json)));
        }),
      );
    });
  }

  one(promptId: string): Observable<Whereabouts> {
    return this.#either<Whereabouts>(
      `/api/jobs/${encodeURIComponent(promptId)}`,
      ({ status, json }) => {
        const isAbsent = status === 404 && isRefusal(json);
        return isAbsent ? { tag: 'absent' } : jobOf(isAbout(json, promptId) ? json : undefined);
      },
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
  #madeSure({ isUnsure: _, ...found }: Whereabouts, promptId: string): Observable<Whereabouts> {
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
  #historyIn(answer: Answer, promptId: string): Whereabouts {
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

  renamed(promptIds: readonly string[], since = Number.POSITIVE_INFINITY): Observable<ReadonlyMap<string, string>> {
    return defer(() => {
      if (!this.#legacy || this.#idsStay || promptIds.length === 0) return of(new Map<string, string>());
      return this.#markedSince(since, promptIds, this.#marked);
    });
  }

  /** Only our mark tells these jobs. Reads the newest entries, then four times as many, until that is enough. */
  #markedSince(
    since: number,
    wanted: readonly string[],
    items: number,
    before?: ReadonlyMap<string, string>,
  ): Observable<ReadonlyMap<string, string>> {
    return this.#rest.get(`/history?max_items=${items}`).pipe(
      concatMap(({ status, json }) => {
        const marked = status === 200 ? markedIn(json, MARK, items) : undefined;
        if (marked === undefined) throw this.#notComfyUIs('/history', status);
        const { ids, isAll, oldestAt } = marked;
        const isEnough = isAll || items >= ALL_HISTORY_ITEMS || oldestAt < since - CLOCKS_MS;
        if (isEnough || wanted.every((promptId) => ids.has(promptId))) return of(ids);
        return this.#markedSince(since, wanted, 4 * items, ids);
      }),
      catchError((error: unknown) => {
        if (!(error instanceof Unreadable)) throw error;
        if (before !== undefined) return of(before);
        if (items === 1) throw error;
        this.#marked = Math.max(1, Math.min(this.#marked, items >> 1));
        return this.#markedSince(since, wanted, this.#marked);
      }),
    );
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
