import {
  catchError,
  concat,
  concatMap,
  defer,
  from,
  map,
  mergeMap,
  of,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import type { Job } from '../streams/job/job';
import type { BoardEvent } from '../streams/board/board';
import type { LookFact } from '../streams/job/job-event';
import { runIdOf } from '../streams/job/job-state';
import {
  endedListOf,
  historyIdOf,
  historyIdsOf,
  historyOf,
  isRefusal,
  jobListOf,
  jobOf,
  queueOf,
  type Ends,
  type Found,
  type Queued,
} from './codecs/lookup.codec';
import { NoAnswer, type Answer } from './rest';

/** What a server says of its jobs. Errors with `NoAnswer` where an answer cannot be read (R4). */
export interface Lookup {
  /** The jobs in hand: running first, then in the order of the queue. */
  readonly queue: () => Observable<readonly Queued[]>;
  /** One job that is not in the queue: its end, or nothing. */
  readonly one: (promptId: string) => Observable<Found>;
  /** The jobs that have ended, as far as the server tells in one answer. */
  readonly ends: () => Observable<Ends>;
  /** The id that a server of before 0.3.64 gave the job which was posted as `promptId`, once it has ended; `undefined` where there is none. */
  readonly renamed: (promptId: string) => Observable<string | undefined>;
}

/** Under this key of `extra_data` a workflow carries our id: an old server gives the job another. */
export const MARK = 'jobstream_prompt_id';

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
        `/api/jobs?status=completed,failed,cancelled&limit=${FEW}`,
        ({ json }) => endedListOf(json),
        () =>
          asked(`/history?max_items=${FEW}`, ({ status, json }) =>
            status === 200 ? historyIdsOf(json, MARK, FEW) : undefined,
          ),
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

/** Where the queue holds a run: under its id, or under another with our mark on it. */
export const inQueueAs = (entries: readonly Queued[], runId: string): Queued | undefined =>
  entries.find(({ promptId, extraData }) => promptId === runId || extraData[MARK] === runId);

function parsed<T>(answer: Answer, path: string, parse: (answer: Answer) => T | undefined): T {
  const value = parse(answer);
  if (value === undefined)
    throw new NoAnswer(`${path}: status ${answer.status} with a body that is not ComfyUI's`, true);
  return value;
}

/**
 * One look at the jobs given: at the queue once, then at those that are not in it one by one, and at the running one
 * if its workflow is still unknown. A job whose success was heard is not looked for in the queue. One that was never
 * heard of may go by an id that an old server gave it.
 */
export const lookAt =
  ({ queue, one, ends, renamed }: Lookup, clock: SchedulerLike) =>
  (jobs: readonly Job[]): Observable<BoardEvent> => {
    const told = (promptId: string, fact: LookFact): BoardEvent => ({ promptId, at: clock.now(), ...fact });

    const detail = (job: Job): Observable<BoardEvent> => {
      const runId = runIdOf(job.state);
      return one(runId).pipe(
        concatMap((found) =>
          found.tag === 'absent' && wasNeverHeardOf(job) ? nowhere(runId) : of(told(runId, factOf(found))),
        ),
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
    const oneByOne = (some: readonly Job[]): Observable<BoardEvent> => from(some).pipe(mergeMap(detail, AT_ONCE));
    const details = (some: readonly Job[]): Observable<BoardEvent> => {
      if (some.length < MANY) return oneByOne(some);
      return ends().pipe(
        // Asked only to be spared the rest: one by one it can be told as well.
        catchError(() => of<Ends>({ ids: new Set(), isAll: false })),
        concatMap(({ ids, isAll }) => {
          const isGone = ({ state }: Job): boolean => isAll && !ids.has(runIdOf(state));
          const gone = some.filter(isGone).map(({ state }) => told(runIdOf(state), { tag: 'absent' }));
          return concat(from(gone), oneByOne(some.filter((job) => !isGone(job))));
        }),
      );
    };

    if (jobs.every((job) => job.succeeded)) return details(jobs);
    return queue().pipe(
      concatMap((entries) => {
        const byId = new Map(entries.map((entry, ahead) => [entry.promptId, { entry, ahead }]));
        const byMark = new Map(entries.map((entry, ahead) => [entry.extraData[MARK], { entry, ahead }]));
        const sought = jobs.map((job) => {
          const runId = runIdOf(job.state);
          return { job, runId, place: byId.get(runId) ?? byMark.get(runId) };
        });
        const present = sought.flatMap(({ runId, place }) => {
          if (place === undefined) return [];
          const { promptId } = place.entry;
          const fact = inQueue(place.entry, place.ahead);
          return [told(runId, promptId === runId ? fact : renamedTo(promptId, fact))];
        });
        const missed = sought.filter(({ place }) => place === undefined);
        // A running job's workflow, where the queue does not tell it.
        const untold = sought.filter(({ job, runId, place }) => {
          if (place === undefined) return false;
          const { promptId, running, graph } = place.entry;
          return promptId === runId && running && job.graph.size === 0 && graph === undefined;
        });
        return concat(from(present), details(missed.map(({ job }) => job)), oneByOne(untold.map(({ job }) => job)));
      }),
    );
  };

/** Posted, it may be, by an instance that did not live to hear the answer. */
const wasNeverHeardOf = ({ state, heardAt, absences }: Job): boolean =>
  state.status === 'queued' && heardAt === 0 && absences.count === 0;

/** What is told of a run that an old server holds under an id of its own. */
const renamedTo = (runId: string, fact: LookFact): LookFact => (fact.tag === 'absent' ? fact : { ...fact, runId });

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
