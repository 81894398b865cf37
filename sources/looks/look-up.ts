import {
  catchError,
  concat,
  concatMap,
  filter,
  from,
  map,
  mergeMap,
  of,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { isAtServer, type Job } from '../../streams/job/job';
import type { BoardEvent } from '../../streams/board/board';
import type { LookFact, QueueEntry } from '../../streams/job/job-event';
import { runIdOf } from '../../streams/job/job-state';
import type { Ends } from '../codecs/history.codec';
import type { Whereabouts, Queued } from '../codecs/jobs.codec';
import { NoAnswer, Unread, Unreadable } from '../rest/no-answer';
import { CONCURRENT_DETAILS, MIN_FOR_LIST, type JobRoutes } from './job-routes';
import { QUEUE_PAUSE_MS, workflowsOf, type IsOurs } from './other-workflows';
import { placesOf } from './queue-places';

type Told = (promptId: string, fact: LookFact) => BoardEvent;

/** Asks for jobs by their ids. */
interface Pages {
  readonly oneByOne: (some: readonly Job[], isQueueKnown: boolean) => Observable<BoardEvent>;
  /** For jobs that are not in the queue: if there are `MIN_FOR_LIST` or more, asks for the list of ended jobs first. */
  readonly details: (some: readonly Job[]) => Observable<BoardEvent>;
}

function pagesOf({ one, ends, answers, renamed }: JobRoutes, told: Told, clock: SchedulerLike): Pages {
  const detail = (job: Job, isQueueKnown: boolean): Observable<BoardEvent> => {
    const runId = runIdOf(job.state);
    const askedAt = clock.now();
    return one(runId).pipe(
      concatMap((found) => {
        if (found.tag !== 'absent') return of(told(runId, factOf(found)));
        if (!isQueueKnown && !hasSucceeded(job)) return of(told(runId, { tag: 'unended' }));
        return wasNeverHeardOf(job) ? nowhere(runId, askedAt) : of(told(runId, { tag: 'absent', askedAt }));
      }),
      catchError((error: unknown) => {
        if (!(error instanceof NoAnswer)) throw error;
        // A proxy may answer anything (R4). If ComfyUI itself answers, only this job's page is broken, and no other job
        // waits for it.
        const isUnreadable = error instanceof Unreadable && !(error instanceof Unread);
        const fact: LookFact = { tag: isUnreadable ? 'unreadable' : 'unanswered' };
        return answers().pipe(map(() => told(runId, fact)));
      }),
    );
  };
  const nowhere = (runId: string, askedAt: number): Observable<BoardEvent> =>
    renamed([runId]).pipe(
      map((ids) => ids.get(runId)),
      concatMap((as) =>
        as === undefined
          ? of(told(runId, { tag: 'absent', askedAt }))
          : one(as).pipe(map((found) => told(runId, renamedTo(as, factOf(found))))),
      ),
    );
  const oneByOne = (some: readonly Job[], isQueueKnown: boolean): Observable<BoardEvent> =>
    from(some).pipe(mergeMap((job) => detail(job, isQueueKnown), CONCURRENT_DETAILS));
  const details = (some: readonly Job[]): Observable<BoardEvent> => {
    if (some.length < MIN_FOR_LIST) return oneByOne(some, true);
    const askedAt = clock.now();
    return ends().pipe(
      // The list only saves requests: if it is no answer, each job is asked for.
      catchError((error: unknown) => {
        if (!(error instanceof NoAnswer)) throw error;
        return of<Ends>({ ids: new Map(), isAll: false });
      }),
      concatMap(({ ids, isAll }) => {
        const isGone = ({ state }: Job): boolean => isAll && !ids.has(runIdOf(state));
        const gone = some.filter(isGone).map(({ state }) => told(runIdOf(state), { tag: 'absent', askedAt }));
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
  return { oneByOne, details };
}

/**
 * One look at these jobs: asks for the queue once, then for each job that is not in it, and for a running one whose
 * workflow is still unknown. A job whose success was heard is not looked for in the queue. One that was never heard of
 * may have another id, which an old server gave it. If the queue cannot be read (other clients' workflows are in it),
 * each job is asked for by its id. If `isOurs` is given, the queue is told with the workflows of the other clients' jobs
 * before those that wait.
 */
export function lookUp(
  routes: JobRoutes,
  clock: SchedulerLike,
): (jobs: readonly Job[], isOurs?: IsOurs) => Observable<BoardEvent> {
  let unreadUntil = 0;
  const workflows = workflowsOf(routes, clock);
  const told: Told = (promptId, fact) => ({ promptId, at: clock.now(), ...fact });
  const { oneByOne, details } = pagesOf(routes, told, clock);

  const placed = (jobs: readonly Job[], entries: readonly Queued[]): Observable<BoardEvent> => {
    const { found, missed, withoutGraph } = placesOf(jobs, entries);
    const present = found.flatMap(({ job, runId, entry, ahead }) => {
      const fact = inQueue(entry, { ahead, wantsGraph: job.graph.size === 0 });
      return [told(runId, entry.promptId === runId ? fact : renamedTo(entry.promptId, fact))];
    });
    // Only the workflow is asked for here: an answer that cannot be read says nothing of the job.
    const graphs$ = oneByOne(withoutGraph, true).pipe(
      filter(({ tag }) => tag !== 'unreadable' && tag !== 'unanswered'),
    );
    return concat(
      from([...queueSeen(jobs, entries.map(workflows.entryOf), clock.now()), ...present]),
      details(missed),
      graphs$,
    );
  };

  return (jobs, isOurs = () => true) => {
    if (jobs.every(hasSucceeded)) return details(jobs);
    if (clock.now() < unreadUntil) return oneByOne(jobs, false);
    return routes.queue().pipe(
      concatMap((entries) => workflows.added(entries, isOurs)),
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

/** The whole queue, as the server of these jobs holds it. */
const queueSeen = ([job]: readonly Job[], entries: readonly QueueEntry[], at: number): readonly BoardEvent[] =>
  job === undefined ? [] : [{ tag: 'queueSeen', serverUrl: job.state.serverUrl, entries, at }];

/**
 * Whether nothing was heard of a run since it was posted: the instance that posted it may have died before the answer.
 * A first run with a `runId` was answered: its id comes from there.
 */
const wasNeverHeardOf = (job: Job): boolean =>
  job.state.status === 'queued' &&
  (job.state.runId === undefined || job.state.attempt > 1) &&
  (!isAtServer(job) || (job.stage.heardAt === 0 && job.stage.absences.count === 0));

const hasSucceeded = ({ stage }: Job): boolean => stage.tag === 'fetchingOutputs';

/** Adds the id that an old server gave the run. */
const renamedTo = (runId: string, fact: LookFact): LookFact =>
  fact.tag === 'found' || fact.tag === 'ended' ? { ...fact, runId } : fact;

function factOf(found: Whereabouts): LookFact {
  return found.tag === 'queued' ? inQueue(found.job, { wantsGraph: true }) : found;
}

/** Reads the workflow's graph only for a job that has none yet: a queue may hold a hundred of ten thousand nodes. */
const inQueue = (
  entry: Queued,
  { ahead, wantsGraph }: { readonly ahead?: number; readonly wantsGraph: boolean },
): LookFact & { tag: 'found' } => {
  const { running, targets } = entry;
  const graph = wantsGraph ? entry.graph : undefined;
  return {
    tag: 'found',
    where: running ? 'running' : 'pending',
    ...(ahead !== undefined && { ahead }),
    ...(graph !== undefined && { graph }),
    ...(targets !== undefined && { targets }),
  };
};
