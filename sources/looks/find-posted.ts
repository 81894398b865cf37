import {
  catchError,
  concat,
  concatMap,
  filter,
  from,
  map,
  mergeMap,
  of,
  take,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { askedTogether } from '../../streams/operators/asked-together';
import type { Queued } from '../codecs/lookup.codec';
import { NoAnswer, Unreadable } from '../rest/rest';
import { CONCURRENT_DETAILS, MIN_FOR_LIST, type JobRoutes } from './job-routes';
import { inQueueAs } from './places';

/**
 * A server is searched once in this time at most, ms: an instance that was killed, or a link that broke, leaves many
 * workflows to look for.
 */
const PAUSE_MS = 1_000;

/**
 * The id under which a server holds the workflow that was posted as `promptId`; `undefined` if it holds none. Errors
 * with `NoAnswer`.
 */
export type FindPosted = (promptId: string) => Observable<string | undefined>;

/**
 * The result of a search for one workflow: the id that the server has it under, no id if it has none, or why that is
 * unknown.
 */
type Held = { readonly promptId: string } & ({ readonly id: string | undefined } | { readonly error: NoAnswer });

/** Finds posted workflows on one server; those looked for at the same time share their requests. */
export function findPosted(routes: JobRoutes, clock: SchedulerLike, pauseMs = PAUSE_MS): FindPosted {
  const search = askedTogether((promptIds: readonly string[]) => searched(routes, promptIds), pauseMs, clock);
  return (promptId) =>
    search(promptId).pipe(
      filter((held) => held.promptId === promptId),
      take(1),
      map((held) => {
        if ('error' in held) throw held.error;
        return held.id;
      }),
    );
}

/** One search: in the queue first, then among the ended jobs. */
function searched(routes: JobRoutes, promptIds: readonly string[]): Observable<Held> {
  return routes.queue().pipe(
    map((queue) => heldIn(queue, promptIds)),
    // Other clients' workflows may make the queue too large to be read: ended jobs are found all the same, and no
    // workflow counts as absent.
    catchError((error: unknown) => {
      if (!(error instanceof Unreadable)) throw error;
      return of({ error, held: [], missed: promptIds });
    }),
    concatMap((found) => {
      if (!('error' in found)) return concat(from(found.held), ended(routes, found.missed));
      const { error } = found;
      const nowhere = (each: Held): Held => ('id' in each && each.id === undefined ? { ...each, error } : each);
      return oneByOne(routes, found.missed).pipe(map(nowhere));
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
function ended(routes: JobRoutes, promptIds: readonly string[]): Observable<Held> {
  if (promptIds.length < MIN_FOR_LIST) return oneByOne(routes, promptIds);
  return routes.ends().pipe(
    catchError((error: unknown) => {
      if (!(error instanceof Unreadable)) throw error;
      return of(undefined);
    }),
    concatMap((ends) => {
      if (ends === undefined) return oneByOne(routes, promptIds);
      const { ids, isAll } = ends;
      const isTold = (promptId: string): boolean => isAll || ids.has(promptId);
      const told = promptIds.filter(isTold).map((promptId): Held => ({ promptId, id: ids.get(promptId) }));
      const untold = promptIds.filter((promptId) => !isTold(promptId));
      // `renamed` is left out: the list holds jobs under ids of the server's own, too.
      return concat(from(told), oneByOne({ one: routes.one, renamed: () => of(undefined) }, untold));
    }),
  );
}

/** Asks for each by its id. One that cannot be read holds up no other. */
const oneByOne = (
  { one, renamed }: Pick<JobRoutes, 'one' | 'renamed'>,
  promptIds: readonly string[],
): Observable<Held> =>
  from(promptIds).pipe(
    mergeMap(
      (promptId) =>
        one(promptId).pipe(
          concatMap((found) => (found.tag === 'absent' ? renamed(promptId) : of(promptId))),
          map((id): Held => ({ promptId, id })),
          catchError((error: unknown) => {
            if (!(error instanceof NoAnswer)) throw error;
            return of<Held>({ promptId, error });
          }),
        ),
      CONCURRENT_DETAILS,
    ),
  );
