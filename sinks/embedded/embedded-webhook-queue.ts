import { defer, ignoreElements, map, mergeMap, reduce, type Observable, type SchedulerLike } from 'rxjs';
import { HOOK_DONE_S, HOOK_S, type Hook, type Hooks } from '../webhook-queue';
import { dueLater } from './file/expiry';
import type { Entry, LmdbFile, Txn } from './file/lmdb-file';

const PREFIX = 'hook:';

/** As one entry: when it is due, until when it is claimed, and the text; none of a hook that is done. */
type Kept = readonly [dueAt: number, claimedUntil: number, text: string | null];

const keptIn = ({ text }: Entry): Kept => JSON.parse(text) as Kept;

/** Hooks in a file. */
export function embeddedHooks(file: LmdbFile, clock: SchedulerLike): Hooks {
  const keyOf = (promptId: string): string => PREFIX + promptId;
  const read = (txn: Pick<Txn, 'read'>, promptId: string): Kept | undefined => {
    const entry = txn.read(keyOf(promptId));
    return entry === undefined || entry.until <= clock.now() ? undefined : keptIn(entry);
  };
  const write = (txn: Txn, promptId: string, kept: Kept, seconds = HOOK_S): void => {
    const until = clock.now() + seconds * 1000;
    if (txn.read(keyOf(promptId)) === undefined) dueLater(txn, keyOf(promptId), until);
    txn.write({ key: keyOf(promptId), text: JSON.stringify(kept), until });
  };

  /** Rewrites a hook that is not done. */
  const change = (promptId: string, next: (kept: Kept) => Kept): Observable<never> =>
    file
      .transact((txn) => {
        const kept = read(txn, promptId);
        if (typeof kept?.[2] === 'string') write(txn, promptId, next(kept));
      })
      .pipe(ignoreElements());

  const due = (entries: readonly Entry[]): readonly string[] =>
    entries
      .filter((entry) => entry.until > clock.now())
      .filter((entry) => isDue(keptIn(entry), clock.now()))
      .map(({ key }) => key.slice(PREFIX.length));

  return {
    add: ({ promptId, text }, inMs) =>
      file
        .transact((txn) => {
          if (read(txn, promptId) === undefined) write(txn, promptId, [clock.now() + inMs, 0, text]);
        })
        .pipe(ignoreElements()),

    hurry: (promptId) =>
      change(promptId, ([dueAt, claimedUntil, text]) => [
        Math.min(dueAt, Math.max(clock.now(), claimedUntil)),
        claimedUntil,
        text,
      ]),

    claim: (most, forMs) =>
      defer(() => file.batches(PREFIX)).pipe(
        map(due),
        reduce((all: readonly string[], some) => [...all, ...some], []),
        mergeMap((ids) =>
          file.transact((txn) =>
            ids.slice(0, most).flatMap((promptId): readonly Hook[] => {
              const kept = read(txn, promptId);
              if (kept === undefined || !isDue(kept, clock.now())) return [];
              const until = clock.now() + forMs;
              write(txn, promptId, [until, until, kept[2]]);
              return [{ promptId, text: kept[2] }];
            }),
          ),
        ),
      ),

    later: ({ promptId, text }, inMs) => change(promptId, () => [clock.now() + inMs, 0, text]),

    done: (promptId) => file.transact((txn) => write(txn, promptId, [0, 0, null], HOOK_DONE_S)).pipe(ignoreElements()),
  };
}

const isDue = (kept: Kept, now: number): kept is readonly [number, number, string] =>
  kept[2] !== null && kept[0] <= now;
