import { concat, defer, EMPTY, ignoreElements, NEVER, tap, type Observable, type SchedulerLike } from 'rxjs';
import { dueTimes, type DueTimes } from '../../streams/board/due-times';
import type { Report } from '../../streams/operators/reporting';
import { toldOnce } from '../codecs/told-once';
import { HOOK_DONE_S, HOOK_S, type Hook, type Hooks } from '../webhook-queue';
import { lasting } from './file/expiry';
import type { Entry, LmdbFile, Txn } from './file/lmdb-file';

const PREFIX = 'hook:';

/**
 * A hook as stored: when it is due; until when `hurry` has no effect, as it is claimed or rests; and its text, `null`
 * once it is done. Times in ms since 1970.
 */
type Timed = readonly [dueAt: number, stillUntil: number, text: string | null];

/** Another program wrote over a hook. */
class UnreadableHook extends Error {
  override readonly name = 'UnreadableHook';
  constructor(readonly key: string) {
    super(`${key} holds no webhook`);
  }
}

/**
 * Hooks in a file. When each is due is kept in memory too, as this process alone has the file: the first claim reads all
 * hooks, and each further one those that are due (R17).
 */
class EmbeddedHooks implements Hooks {
  readonly mayHaveLost$ = NEVER;
  readonly #file: LmdbFile;
  readonly #clock: SchedulerLike;
  readonly #due: DueTimes = dueTimes();
  readonly #tellOnce: (unreadable: UnreadableHook) => void;
  /** Whether `#due` has all hooks that wait. Not after a write failed: then it may differ from the file. */
  #knowsAll = false;

  constructor(file: LmdbFile, clock: SchedulerLike, report: Report) {
    this.#file = file;
    this.#clock = clock;
    this.#tellOnce = toldOnce('embedded webhook', report);
  }

  add({ promptId, text }: Hook, inMs: number): Observable<never> {
    return this.#transact((txn) => {
      if (this.#read(txn, promptId) === undefined) this.#write(txn, promptId, [this.#clock.now() + inMs, 0, text]);
    }).pipe(ignoreElements());
  }

  hurry(promptId: string): Observable<never> {
    return this.#change(promptId, ([dueAt, stillUntil, text]) => [
      Math.min(dueAt, Math.max(this.#clock.now(), stillUntil)),
      stillUntil,
      text,
    ]);
  }

  claim(most: number, forMs: number): Observable<readonly Hook[]> {
    const claimed$ = this.#transact((txn) => {
      const now = this.#clock.now();
      const claimed: Hook[] = [];
      for (const promptId of this.#due.until(now)) {
        if (claimed.length >= most) break;
        const hook = this.#claimed(txn, promptId, now + forMs);
        if (hook !== undefined) claimed.push(hook);
      }
      return claimed;
    });
    return concat(
      defer(() => (this.#knowsAll ? EMPTY : this.#found())),
      claimed$,
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
    return this.#transact((txn) => this.#write(txn, promptId, [0, 0, null], HOOK_DONE_S)).pipe(ignoreElements());
  }

  #transact<T>(work: (txn: Txn) => T): Observable<T> {
    return this.#file.transact(work).pipe(tap({ error: () => (this.#knowsAll = false) }));
  }

  /** Notes when each hook is due, as this process wrote it last. */
  #found(): Observable<never> {
    this.#knowsAll = true;
    return this.#file.batches(PREFIX).pipe(
      tap({
        next: (entries) => entries.forEach(({ key }) => this.#note(key.slice(PREFIX.length))),
        error: () => (this.#knowsAll = false),
      }),
      ignoreElements(),
    );
  }

  #note(promptId: string, timed = this.#read(this.#file, promptId)): void {
    if (timed === undefined || timed[2] === null) this.#due.delete(promptId);
    else this.#due.set(promptId, timed[0]);
  }

  /** The hook, unless it has expired or cannot be read. */
  #read(from: Pick<Txn, 'read'>, promptId: string): Timed | undefined {
    const entry = from.read(keyOf(promptId));
    if (entry === undefined || entry.until <= this.#clock.now()) return undefined;
    const timed = timedIn(entry);
    if (timed === undefined) this.#tellOnce(new UnreadableHook(entry.key));
    return timed;
  }

  #write(txn: Txn, promptId: string, timed: Timed, seconds = HOOK_S): void {
    lasting(txn, { key: keyOf(promptId), text: JSON.stringify(timed), until: this.#clock.now() + seconds * 1000 });
    this.#note(promptId, timed);
  }

  /** Rewrites a hook that is not done. */
  #change(promptId: string, next: (timed: Timed) => Timed): Observable<never> {
    return this.#transact((txn) => {
      const timed = this.#read(txn, promptId);
      if (typeof timed?.[2] === 'string') this.#write(txn, promptId, next(timed));
    }).pipe(ignoreElements());
  }

  #claimed(txn: Txn, promptId: string, until: number): Hook | undefined {
    const timed = this.#read(txn, promptId);
    if (timed === undefined || !isDue(timed, this.#clock.now())) {
      this.#note(promptId, timed);
      return undefined;
    }
    this.#write(txn, promptId, [until, until, timed[2]]);
    return { promptId, text: timed[2] };
  }
}

/** The hooks of a store in a file. */
export const embeddedHooks = (file: LmdbFile, clock: SchedulerLike, report: Report): Hooks =>
  new EmbeddedHooks(file, clock, report);

const keyOf = (promptId: string): string => PREFIX + promptId;

const isDue = (timed: Timed, now: number): timed is readonly [number, number, string] =>
  timed[2] !== null && timed[0] <= now;

function timedIn({ text }: Entry): Timed | undefined {
  try {
    const json: unknown = JSON.parse(text);
    return isTimed(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

const isTimed = (json: unknown): json is Timed =>
  Array.isArray(json) &&
  typeof json[0] === 'number' &&
  typeof json[1] === 'number' &&
  (json[2] === null || typeof json[2] === 'string');
