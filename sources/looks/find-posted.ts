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
import { CONCURRENT_DETAILS, MIN_FOR_LIST, type Lookup } from './lookup';
import { inQueueAs } from './places';

/** A server is searched once a second at most: an instance that was killed, or a link that broke, leaves many workflows to be looked for. */
const PAUSE_MS = 1_000;

/** The id under which a server holds the workflow that was posted as `promptId`, or `undefined` where it holds none. Errors with `NoAnswer`. */
export type FindPosted = (promptId: string) => Observable<string | undefined>;

/** What a search comes to for one workflow: the id it is held under, none, or why that cannot be told. */
type Held = { readonly promptId: string } & ({ readonly id: string | undefined } | { readonly error: NoAnswer });

/** Finds posted workflows on one server: those that are looked for at the same time in as few requests as for one. */
export function findPosted(routes: Lookup, clock: SchedulerLike, pauseMs = PAUSE_MS): FindPosted {
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

/** One search: in the queue first, then among what has ended. */
function searched(routes: Lookup, promptIds: readonly string[]): Observable<Held> {
  return routes.queue().pipe(
    map((queue) => heldIn(queue, promptIds)),
    // Strangers' workflows may make it too large to be read: what has ended is found all the same, and nothing is called absent.
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

/** Those that the queue does not hold, among what has ended: of several, the list tells first. */
function ended(routes: Lookup, promptIds: readonly string[]): Observable<Held> {
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
      // Under an id of the server's own, the list would have told of it.
      return concat(from(told), oneByOne({ one: routes.one, renamed: () => of(undefined) }, untold));
    }),
  );
}

/** By their own pages. One that cannot be read is no trouble of the others. */
const oneByOne = ({ one, renamed }: Pick<Lookup, 'one' | 'renamed'>, promptIds: readonly string[]): Observable<Held> =>
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
