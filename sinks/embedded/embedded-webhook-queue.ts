import { defer, ignoreElements, map, mergeMap, NEVER, reduce, type Observable, type SchedulerLike } from 'rxjs';
import { HOOK_DONE_S, HOOK_S, type Hook, type Hooks } from '../webhook-queue';
import { lasting } from './file/expiry';
import type { Entry, LmdbFile, Txn } from './file/lmdb-file';

const PREFIX = 'hook:';

/**
 * A hook as stored: when it is due; until when `hurry` has no effect, as it is claimed or rests; and its text, `null`
 * once it is done. Times in ms since 1970.
 */
type Kept = readonly [dueAt: number, stillUntil: number, text: string | null];

const keptIn = ({ text }: Entry): Kept => JSON.parse(text) as Kept;

/** Hooks in a file. */
class EmbeddedHooks implements Hooks {
  readonly mayHaveLost$ = NEVER;
  readonly #file: LmdbFile;
  readonly #clock: SchedulerLike;

  constructor(file: LmdbFile, clock: SchedulerLike) {
    this.#file = file;
    this.#clock = clock;
  }

  add({ promptId, text }: Hook, inMs: number): Observable<never> {
    return this.#file
      .transact((txn) => {
        if (this.#read(txn, promptId) === undefined) this.#write(txn, promptId, [this.#clock.now() + inMs, 0, text]);
      })
      .pipe(ignoreElements());
  }

  hurry(promptId: string): Observable<never> {
    return this.#change(promptId, ([dueAt, stillUntil, text]) => [
      Math.min(dueAt, Math.max(this.#clock.now(), stillUntil)),
      stillUntil,
      text,
    ]);
  }

  claim(most: number, forMs: number): Observable<readonly Hook[]> {
    return defer(() => this.#file.batches(PREFIX)).pipe(
      map((entries) => this.#due(entries)),
      reduce((all: readonly string[], some) => [...all, ...some], []),
      mergeMap((ids) =>
        this.#file.transact((txn) =>
          ids.slice(0, most).flatMap((promptId) => this.#claimed(txn, promptId, this.#clock.now() + forMs)),
        ),
      ),
    );
  }

  later({ promptId, text }: Hook, inMs: number): Observable<never> {
    return this.#change(promptId, () => [this.#clock.now() + inMs, 0, text]);
  }

  rest({ promptId, text }: Hook, inMs: number): Observable<never> {
    return this.#change(promptId, () => {
      const dueAt = this.#clock.now() + inMs;
      return [dueAt, dueAt, text];
    });
  }

  done(promptId: string): Observable<never> {
    return this.#file.transact((txn) => this.#write(txn, promptId, [0, 0, null], HOOK_DONE_S)).pipe(ignoreElements());
  }

  #read(txn: Pick<Txn, 'read'>, promptId: string): Kept | undefined {
    const entry = txn.read(keyOf(promptId));
    return entry === undefined || entry.until <= this.#clock.now() ? undefined : keptIn(entry);
  }

  #write(txn: Txn, promptId: string, kept: Kept, seconds = HOOK_S): void {
    lasting(txn, { key: keyOf(promptId), text: JSON.stringify(kept), until: this.#clock.now() + seconds * 1000 });
  }

  /** Rewrites a hook that is not done. */
  #change(promptId: string, next: (kept: Kept) => Kept): Observable<never> {
    return this.#file
      .transact((txn) => {
        const kept = this.#read(txn, promptId);
        if (typeof kept?.[2] === 'string') this.#write(txn, promptId, next(kept));
      })
      .pipe(ignoreElements());
  }

  #due(entries: readonly Entry[]): readonly string[] {
    const now = this.#clock.now();
    return entries
      .filter((entry) => entry.until > now && isDue(keptIn(entry), now))
      .map(({ key }) => key.slice(PREFIX.length));
  }

  #claimed(txn: Txn, promptId: string, until: number): readonly Hook[] {
    const kept = this.#read(txn, promptId);
    if (kept === undefined || !isDue(kept, this.#clock.now())) return [];
    this.#write(txn, promptId, [until, until, kept[2]]);
    return [{ promptId, text: kept[2] }];
  }
}

/** The hooks of a store in a file. */
export const embeddedHooks = (file: LmdbFile, clock: SchedulerLike): Hooks => new EmbeddedHooks(file, clock);

const keyOf = (promptId: string): string => PREFIX + promptId;

const isDue = (kept: Kept, now: number): kept is readonly [number, number, string] =>
  kept[2] !== null && kept[0] <= now;
