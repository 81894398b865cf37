import { concat, defer, filter, map, merge, of, take, takeUntil, timer } from 'rxjs';
import type { Observable, SchedulerLike } from 'rxjs';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import type { Change } from '../../streams/board/board';
import { isSettled, type JobState } from '../../streams/job/job-state';

/** How long an end waits for the store before it is told all the same, ms: a store that is away holds up no job (R12). */
const END_STORED_MS = 1_000;

export interface EndParts {
  readonly writer: Pick<WriteBehind, 'put' | 'stored'>;
  /** The states whose write was refused, as another instance has written a newer one. */
  readonly refused$: Observable<JobState>;
  readonly stop$: Observable<void>;
}

/**
 * An end is told once it is stored, or after `END_STORED_MS`: whoever was told of one, from a process that is killed in
 * between, would see the job run on at its successor. One that is refused within that time is not told: another
 * instance has the job, which may run on there (R1). Its watchers here are let go, and hear that one.
 */
export function endStored(
  change: Change,
  { writer, refused$, stop$ }: EndParts,
  clock: SchedulerLike,
): Observable<Change> {
  if (change.tag !== 'state' || !isSettled(change.state)) return of(change);
  const { state } = change;
  const late$ = merge(timer(END_STORED_MS, clock), stop$);
  const stored$ = defer(() => {
    writer.put(state);
    return writer.stored(state);
  });
  const letGo$ = refused$.pipe(
    // Not one before the end: until the end itself is refused, it waits to be written, and is what readers get.
    filter((refused) => refused === state),
    map((): Change => ({ tag: 'released', promptId: state.promptId })),
  );
  return merge(letGo$, concat(stored$.pipe(takeUntil(late$)), of(change))).pipe(take(1));
}
