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
import type { Found, Queued } from '../codecs/lookup.codec';
import { NoAnswer, Unreadable } from '../rest/rest';
import { CONCURRENT_DETAILS, MIN_FOR_LIST, type Lookup } from './lookup';
import { MARK, placesOf } from './places';

/** After a queue that could not be read, how long jobs are asked for one by one before it is asked for again. */
const QUEUE_PAUSE_MS = 60_000;

type Told = (promptId: string, fact: LookFact) => BoardEvent;

/** What a server says of jobs by their own pages. */
interface Pages {
  readonly oneByOne: (some: readonly Job[], isQueueKnown: boolean) => Observable<BoardEvent>;
  /** Of jobs that are not in the queue, however many. */
  readonly details: (some: readonly Job[]) => Observable<BoardEvent>;
}

function pagesOf({ one, ends, answers, renamed }: Lookup, told: Told, clock: SchedulerLike): Pages {
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
        // Whatever stands before ComfyUI may answer anything (R4). Where it does answer, this page alone is broken, and no
        // other job waits for it.
        const fact: LookFact = { tag: error instanceof Unreadable ? 'unreadable' : 'unanswered' };
        return answers().pipe(map(() => told(runId, fact)));
      }),
    );
  };
  const nowhere = (runId: string, askedAt: number): Observable<BoardEvent> =>
    renamed(runId).pipe(
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
      // An optimisation: where the list is no answer, each job is asked for.
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
 * One look at the jobs given: at the queue once, then at those that are not in it one by one, and at the running one
 * if its workflow is still unknown. A job whose success was heard is not looked for in the queue. One that was never
 * heard of may go by an id that an old server gave it. Where the queue cannot be read (strangers' workflows are in it),
 * each job is asked for by its id.
 */
export function lookUp(routes: Lookup, clock: SchedulerLike): (jobs: readonly Job[]) => Observable<BoardEvent> {
  let unreadUntil = 0;
  const told: Told = (promptId, fact) => ({ promptId, at: clock.now(), ...fact });
  const { oneByOne, details } = pagesOf(routes, told, clock);

  const placed = (jobs: readonly Job[], entries: readonly Queued[]): Observable<BoardEvent> => {
    const { found, missed, withoutGraph } = placesOf(jobs, entries);
    const present = found.flatMap(({ job, runId, entry, ahead }) => {
      const fact = inQueue(entry, { ahead, wantsGraph: job.graph.size === 0 });
      return [told(runId, entry.promptId === runId ? fact : renamedTo(entry.promptId, fact))];
    });
    // Asked for the workflow alone: an answer that cannot be read is no news of the job.
    const graphs$ = oneByOne(withoutGraph, true).pipe(
      filter(({ tag }) => tag !== 'unreadable' && tag !== 'unanswered'),
    );
    return concat(from([...queueSeen(jobs, entries, clock.now()), ...present]), details(missed), graphs$);
  };

  return (jobs) => {
    if (jobs.every(hasSucceeded)) return details(jobs);
    if (clock.now() < unreadUntil) return oneByOne(jobs, false);
    return routes.queue().pipe(
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
const queueSeen = ([job]: readonly Job[], entries: readonly Queued[], at: number): readonly BoardEvent[] =>
  job === undefined ? [] : [{ tag: 'queueSeen', serverUrl: job.state.serverUrl, entries: entries.map(entryOf), at }];

function entryOf(queued: Queued): QueueEntry {
  const { promptId: runId, targets, extraData } = queued;
  const ours = extraData[MARK];
  return {
    ...{ runId, nodes: () => queued.nodes, graph: () => queued.graph },
    ...(typeof ours === 'string' && { promptId: ours }),
    ...(targets !== undefined && { targets }),
  };
}

/** Posted, it may be, by an instance that did not live to hear the answer. Of a first run that has a `runId`, that is the answer. */
const wasNeverHeardOf = (job: Job): boolean =>
  job.state.status === 'queued' &&
  (job.state.runId === undefined || job.state.attempt > 1) &&
  (!isAtServer(job) || (job.stage.heardAt === 0 && job.stage.absences.count === 0));

const hasSucceeded = ({ stage }: Job): boolean => stage.tag === 'fetchingOutputs';

/** What is told of a run that an old server holds under an id of its own. */
const renamedTo = (runId: string, fact: LookFact): LookFact =>
  fact.tag === 'found' || fact.tag === 'ended' ? { ...fact, runId } : fact;

function factOf(found: Found): LookFact {
  return found.tag === 'queued' ? inQueue(found.job, { wantsGraph: true }) : found;
}

/** The workflow's graph is read for a job alone that has none yet: a queue may hold a hundred of ten thousand nodes. */
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
