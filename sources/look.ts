import { concat, concatMap, defer, from, map, mergeMap, of, type Observable, type SchedulerLike } from 'rxjs';
import type { Job } from '../streams/job';
import type { JobEvent, LookFact } from '../streams/job-event';
import { runIdOf } from '../streams/job-state';
import { historyOf, isRefusal, jobListOf, jobOf, queueOf, type Found, type Queued } from './look.codec';
import { NoAnswer, type Answer } from './rest';

/** What a server says of its jobs. Errors with `NoAnswer` where an answer cannot be read (R4). */
export interface Lookup {
  /** The jobs in hand: running first, then in the order of the queue. */
  readonly queue: () => Observable<readonly Queued[]>;
  /** One job that is not in the queue: its end, or nothing. */
  readonly one: (promptId: string) => Observable<Found>;
}

/** Detail requests under way at once. */
const AT_ONCE = 4;

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
  };
}

function parsed<T>(answer: Answer, path: string, parse: (answer: Answer) => T | undefined): T {
  const value = parse(answer);
  if (value === undefined)
    throw new NoAnswer(`${path}: status ${answer.status} with a body that is not ComfyUI's`, true);
  return value;
}

/**
 * One look at the jobs given: at the queue once, then at those that are not in it one by one, and at the running one
 * if its workflow is still unknown. A job whose success was heard is not looked for in the queue.
 */
export const lookAt =
  ({ queue, one }: Lookup, clock: SchedulerLike) =>
  (jobs: readonly Job[]): Observable<JobEvent> => {
    const told = (promptId: string, fact: LookFact): JobEvent => ({ promptId, at: clock.now(), ...fact });
    const details = (some: readonly Job[]): Observable<JobEvent> =>
      from(some).pipe(
        mergeMap(({ state }) => one(runIdOf(state)).pipe(map((found) => told(runIdOf(state), factOf(found)))), AT_ONCE),
      );

    if (jobs.every((job) => job.succeeded)) return details(jobs);
    return queue().pipe(
      concatMap((entries) => {
        const queued = new Map(entries.map((entry, ahead) => [entry.promptId, inQueue(entry, ahead)]));
        const present = jobs.flatMap(({ state }) => {
          const fact = queued.get(runIdOf(state));
          return fact === undefined ? [] : [told(runIdOf(state), fact)];
        });
        const unclear = jobs.filter((job) => {
          const fact = queued.get(runIdOf(job.state));
          return fact === undefined || (job.graph.size === 0 && fact.graph === undefined && fact.where === 'running');
        });
        return concat(from(present), details(unclear));
      }),
    );
  };

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
