import {
  catchError,
  concat,
  concatMap,
  defer,
  filter,
  from,
  map,
  mergeMap,
  of,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import type { Job } from '../../streams/job/job';
import type { BoardEvent } from '../../streams/board/board';
import type { LookFact } from '../../streams/job/job-event';
import { runIdOf } from '../../streams/job/job-state';
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
import { MARK, placesOf } from './places';
import { NoAnswer, Unreadable, type Answer } from '../rest';

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

/** Detail requests under way at once. */
const AT_ONCE = 4;

/** When so many jobs are not in the queue, the server is asked first whether it has them at all: a restarted one has none. */
const MANY = 3;

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

/** After a queue that could not be read, how long jobs are asked for one by one before it is asked for again. */
const QUEUE_PAUSE_MS = 60_000;

/**
 * One look at the jobs given: at the queue once, then at those that are not in it one by one, and at the running one
 * if its workflow is still unknown. A job whose success was heard is not looked for in the queue. One that was never
 * heard of may go by an id that an old server gave it. Where the queue cannot be read (strangers' workflows are in it),
 * each job is asked for by its id.
 */
export function lookAt(routes: Lookup, clock: SchedulerLike): (jobs: readonly Job[]) => Observable<BoardEvent> {
  const { queue, one, answers, renamed } = routes;
  let unreadUntil = 0;
  const told = (promptId: string, fact: LookFact): BoardEvent => ({ promptId, at: clock.now(), ...fact });

  const detail = (job: Job, isQueueKnown: boolean): Observable<BoardEvent> => {
    const runId = runIdOf(job.state);
    return one(runId).pipe(
      concatMap((found) => {
        if (found.tag !== 'absent') return of(told(runId, factOf(found)));
        if (!isQueueKnown && !job.succeeded) return of(told(runId, { tag: 'unended' }));
        return wasNeverHeardOf(job) ? nowhere(runId) : of(told(runId, { tag: 'absent' }));
      }),
      catchError((error: unknown) => {
        if (!(error instanceof NoAnswer)) throw error;
        // Whatever stands before ComfyUI may answer anything (R4). Where it does answer, this page alone is broken, and no
        // other job waits for it.
        const fact: LookFact = { tag: error instanceof Unreadable ? 'unreadable' : 'unanswered' };
        return answers().pipe(map(() => told(runId, fact)));
      }),
    );
  };
  const nowhere = (runId: string): Observable<BoardEvent> =>
    renamed(runId).pipe(
      concatMap((as) =>
        as === undefined
          ? of(told(runId, { tag: 'absent' }))
          : one(as).pipe(map((found) => told(runId, renamedTo(as, factOf(found))))),
      ),
    );
  const oneByOne = (some: readonly Job[], isQueueKnown: boolean): Observable<BoardEvent> =>
    from(some).pipe(mergeMap((job) => detail(job, isQueueKnown), AT_ONCE));
  const details = (some: readonly Job[]): Observable<BoardEvent> => {
    if (some.length < MANY) return oneByOne(some, true);
    return routes.ends().pipe(
      // Asked only to be spared the rest: one by one it can be told as well.
      catchError(() => of<Ends>({ ids: new Set(), isAll: false })),
      concatMap(({ ids, isAll }) => {
        const isGone = ({ state }: Job): boolean => isAll && !ids.has(runIdOf(state));
        const gone = some.filter(isGone).map(({ state }) => told(runIdOf(state), { tag: 'absent' }));
        return concat(
          from(gone),
          oneByOne(
            some.filter((job) => !isGone(job)),
            true,
          ),
        );
      }),
    );
  };

  const placed = (jobs: readonly Job[], entries: readonly Queued[]): Observable<BoardEvent> => {
    const { found, missed, withoutGraph } = placesOf(jobs, entries);
    const present = found.flatMap(({ runId, entry, ahead }) => {
      const fact = inQueue(entry, ahead);
      return [told(runId, entry.promptId === runId ? fact : renamedTo(entry.promptId, fact))];
    });
    // Asked for the workflow alone: an answer that cannot be read is no news of the job.
    const graphs$ = oneByOne(withoutGraph, true).pipe(
      filter(({ tag }) => tag !== 'unreadable' && tag !== 'unanswered'),
    );
    return concat(from(present), details(missed), graphs$);
  };

  return (jobs) => {
    if (jobs.every((job) => job.succeeded)) return details(jobs);
    if (clock.now() < unreadUntil) return oneByOne(jobs, false);
    return queue().pipe(
      map((entries): readonly Queued[] | undefined => entries),
      catchError((error: unknown) => {
        if (!(error instanceof Unreadable)) throw error;
        unreadUntil = clock.now() + QUEUE_PAUSE_MS;
        return of(undefined);
      }),
      concatMap((entries) => (entries === undefined ? oneByOne(jobs, false) : placed(jobs, entries))),
    );
  };
}

/** Posted, it may be, by an instance that did not live to hear the answer. */
const wasNeverHeardOf = ({ state, heardAt, absences }: Job): boolean =>
  state.status === 'queued' && heardAt === 0 && absences.count === 0;

/** What is told of a run that an old server holds under an id of its own. */
const renamedTo = (runId: string, fact: LookFact): LookFact =>
  fact.tag === 'found' || fact.tag === 'ended' ? { ...fact, runId } : fact;

function factOf(found: Found): LookFact {
  return found.tag === 'queued' ? inQueue(found.job) : found;
}

const inQueue = ({ running, graph, targets }: Queued, ahead?: number): LookFact & { tag: 'found' } => ({
  tag: 'found',
  where: running ? 'running' : 'pending',
  ...(ahead !== undefined && { ahead }),
  ...(graph !== undefined && { graph }),
  ...(targets !== undefined && { targets }),
});
