import {
  EMPTY,
  catchError,
  concat,
  concatMap,
  filter,
  from,
  map,
  mergeMap,
  of,
  take,
  toArray,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { askedTogether } from '../../streams/operators/asked-together';
import type { Queued } from '../codecs/jobs.codec';
import { NoAnswer, Unreadable } from '../rest/no-answer';
import { CONCURRENT_DETAILS, MIN_FOR_LIST, type JobRoutes } from './job-routes';
import { inQueueAs } from './queue-places';

/**
 * A server is searched once in this time at most, ms: an instance that was killed, or a link that broke, leaves many
 * workflows to look for.
 */
const PAUSE_MS = 1_000;

/**
 * The id under which a server holds the workflow that was posted as `promptId`, not before `since` (ms since 1970);
 * `undefined` if it holds none. Errors with `NoAnswer`.
 */
export type FindPosted = (promptId: string, since: number) => Observable<string | undefined>;

/**
 * The result of a search for one workflow: the id that the server has it under, no id if it has none, or why that is
 * unknown.
 */
type Held = { readonly promptId: string } & ({ readonly id: string | undefined } | { readonly error: NoAnswer });

/** A workflow to look for, and when it was not posted yet. */
interface Sought {
  readonly promptId: string;
  readonly since: number;
}

/** Finds posted workflows on one server; those looked for at the same time share their requests. */
export function findPosted(routes: JobRoutes, clock: SchedulerLike, pauseMs = PAUSE_MS): FindPosted {
  const search = askedTogether((sought: readonly Sought[]) => searched(routes, sought), pauseMs, clock);
  return (promptId, since) =>
    search({ promptId, since }).pipe(
      filter((held) => held.promptId === promptId),
      take(1),
      map((held) => {
        if ('error' in held) throw held.error;
        return held.id;
      }),
    );
}

/** One search: in the queue first, then among the ended jobs. */
function searched(routes: JobRoutes, sought: readonly Sought[]): Observable<Held> {
  const promptIds = sought.map(({ promptId }) => promptId);
  const since = Math.min(...sought.map((each) => each.since));
  return routes.queue().pipe(
    map((queue) => heldIn(queue, promptIds)),
    // Other clients' workflows may make the queue too large to be read: ended jobs are found all the same, and no
    // workflow counts as absent.
    catchError((error: unknown) => {
      if (!(error instanceof Unreadable)) throw error;
      return of({ error, held: [], missed: promptIds });
    }),
    concatMap((found) => {
      if (!('error' in found)) return concat(from(found.held), ended(routes, found.missed, since));
      const { error } = found;
      const nowhere = (each: Held): Held => ('id' in each && each.id === undefined ? { ...each, error } : each);
      return oneByOne(routes, found.missed, since).pipe(map(nowhere));
    }),
  );
}

function heldIn(queue: readonly Queued[], promptIds: readonly string[]) {
  const held: Held[] = [];
  const missed: string[] = [];
  for (const promptId of promptIds) {
    const queued = inQueueAs(queue, promptId);
    if (queued === undefined) missed.push(promptId);
    else held.push({ promptId, id: queued.promptId });
  }
  return { held, missed };
}

/** Looks for workflows among the ended jobs: for several, in the list first. */
function ended(routes: JobRoutes, promptIds: readonly string[], since: number): Observable<Held> {
  if (promptIds.length < MIN_FOR_LIST) return oneByOne(routes, promptIds, since);
  return routes.ends().pipe(
    catchError((error: unknown) => {
      if (!(error instanceof Unreadable)) throw error;
      return of(undefined);
    }),
    concatMap((ends) => {
      if (ends === undefined) return oneByOne(routes, promptIds, since);
      const { ids, isAll } = ends;
      const isTold = (promptId: string): boolean => isAll || ids.has(promptId);
      const told = promptIds.filter(isTold).map((promptId): Held => ({ promptId, id: ids.get(promptId) }));
      const untold = promptIds.filter((promptId) => !isTold(promptId));
      return concat(from(told), oneByOne(routes, untold, since));
    }),
  );
}

/**
 * Asks for each by its id, then for all that are absent under ids of the server's own. One that cannot be read holds up
 * no other.
 */
function oneByOne({ one, renamed }: JobRoutes, promptIds: readonly string[], since: number): Observable<Held> {
  const held$ = from(promptIds).pipe(
    mergeMap(
      (promptId) =>
        one(promptId).pipe(
          map((found): Held => ({ promptId, id: found.tag === 'absent' ? undefined : promptId })),
          catchError((error: unknown) => of<Held>({ promptId, error: noAnswer(error) })),
        ),
      CONCURRENT_DETAILS,
    ),
    toArray(),
  );
  return held$.pipe(
    concatMap((all) => {
      const isAbsent = (held: Held): boolean => 'id' in held && held.id === undefined;
      const [absent, others] = [all.filter(isAbsent), all.filter((held) => !isAbsent(held))];
      const renamed$ = renamed(
        absent.map(({ promptId }) => promptId),
        since,
      ).pipe(
        concatMap((ids) => absent.map(({ promptId }): Held => ({ promptId, id: ids.get(promptId) }))),
        catchError((error: unknown) => absent.map(({ promptId }): Held => ({ promptId, error: noAnswer(error) }))),
      );
      return concat(from(others), absent.length === 0 ? EMPTY : renamed$);
    }),
  );
}

function noAnswer(error: unknown): NoAnswer {
  if (error instanceof NoAnswer) return error;
  throw error;
}
