import type { RootDatabase } from 'lmdb';
import {
  asyncScheduler,
  catchError,
  defer,
  EMPTY,
  expand,
  from,
  ignoreElements,
  map,
  mergeMap,
  of,
  scheduled,
  throwError,
  type Observable,
} from 'rxjs';
import { StoreUnavailable, Unstorable } from '../../job-store';
import { FilePlace } from './file-place';
import { messageOf, openDatabase, pathIn } from './open-database';

/** Entries to a step of `batches`, between which the event loop goes on. */
const BATCH = 256;

/** Behind all keys that begin like this. */
export const LAST = '\u{10ffff}';

/** A string with a time. */
export interface Entry {
  readonly key: string;
  readonly text: string;
  readonly until: number;
}

export interface Range {
  /** Where to begin, itself left out. */
  readonly after: string;
  /** Where to end, itself left out: below `after` where `down`. */
  readonly before: string;
  readonly down?: boolean;
  readonly most: number;
}

/** Strings on disk. What it cannot do errors with `StoreUnavailable`. */
export interface LmdbFile {
  /** The entry as last written here. Throws `StoreUnavailable`. */
  read(key: string): Entry | undefined;
  /**
   * Runs `work` at once, on what was last written here, with nothing in between. Emits what it returns once that is
   * committed, all of it or nothing, which outlives the process.
   */
  transact<T>(work: (txn: Txn) => T): Observable<T>;
  /** Committed entries, by key. Throws `StoreUnavailable`. */
  range(range: Range): readonly Entry[];
  /** All committed entries whose key begins so, by key, a batch at a time; each batch as it is then. */
  batches(prefix?: string): Observable<readonly Entry[]>;
  /** Runs `work` in a transaction that waits for those of other processes, and holds everything up. For the start and the end. */
  exclusively<T>(work: (txn: Txn) => T): T;
  /** From now on nothing is written unless the entry is there with this number: somebody else's claim ends ours. */
  fence(key: string, number: number): void;
  /** Completes when what was begun is committed, `last` is too, and the file is closed. */
  close(last?: (txn: Txn) => void): Observable<never>;
}

/** The file within a transaction. */
export interface Txn {
  read(key: string): Entry | undefined;
  write(entry: Entry): void;
  remove(key: string): void;
}

/** What was written and is not committed yet; without an entry it was removed. */
type Uncommitted = { readonly entry: Entry | undefined };

/**
 * The file, and what was written to it and is not committed yet. No write runs JavaScript in LMDB's transaction:
 * `process.exit` waits for LMDB's thread, which waited for the callback for ever (lmdb 3.5.6, three exits of eight under
 * load).
 */
class OpenLmdbFile implements LmdbFile {
  readonly #db: RootDatabase<string, string>;
  readonly #directory: string;
  readonly #place: FilePlace | undefined;
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #uncommitted = new Map<string, Uncommitted>();
  #closed: Promise<unknown> | undefined;
  #fence: { readonly key: string; readonly number: number } | undefined;

  constructor(db: RootDatabase<string, string>, directory: string, isTemporary: boolean) {
    this.#db = db;
    this.#directory = directory;
    this.#place = isTemporary ? undefined : new FilePlace(pathIn(directory));
  }

  read(key: string): Entry | undefined {
    return this.#guarded(() => this.#newest(key));
  }

  transact<T>(work: (txn: Txn) => T): Observable<T> {
    return defer(() => this.#guarded(() => this.#run(work))).pipe(
      catchError((error: unknown) => causeOf(error).pipe(mergeMap((cause) => throwError(() => unwritable(cause))))),
    );
  }

  range({ after, before, down = false, most }: Range): readonly Entry[] {
    const options = { start: after, end: before, reverse: down, exclusiveStart: true, limit: most, versions: true };
    return this.#guarded(() =>
      [...this.#db.getRange(options)].map(({ key, value, version = 0 }) => ({ key, text: value, until: version })),
    );
  }

  batches(prefix = ''): Observable<readonly Entry[]> {
    const after = (key: string): readonly Entry[] =>
      this.range({ after: key, before: `${prefix}${LAST}`, most: BATCH });
    return defer(() => of(after(prefix))).pipe(
      expand((batch) => {
        const last = batch.length < BATCH ? undefined : batch.at(-1);
        return last === undefined ? EMPTY : scheduled([last], asyncScheduler).pipe(map(({ key }) => after(key)));
      }),
    );
  }

  exclusively<T>(work: (txn: Txn) => T): T {
    return this.#guarded(() => this.#alone(work));
  }

  fence(key: string, number: number): void {
    this.#fence = { key, number };
  }

  close(last?: (txn: Txn) => void): Observable<never> {
    return defer(() => (this.#closed ??= this.#closing(last))).pipe(ignoreElements());
  }

  #guarded<T>(work: () => T): T {
    if (this.#closed !== undefined) throw new StoreUnavailable('the job store is closed');
    try {
      return work();
    } catch (cause) {
      if (cause instanceof StoreUnavailable || cause instanceof Unstorable) throw cause;
      throw new StoreUnavailable(`the job store in ${this.#directory} cannot be read: ${messageOf(cause)}`, { cause });
    }
  }

  #committed(key: string): Entry | undefined {
    const entry = this.#db.getEntry(key);
    return entry && { key, text: entry.value, until: entry.version ?? 0 };
  }

  #newest(key: string): Entry | undefined {
    const last = this.#uncommitted.get(key);
    return last === undefined ? this.#committed(key) : last.entry;
  }

  #run<T>(work: (txn: Txn) => T): Observable<T> {
    const writes = new Map<string, Uncommitted>();
    const result = work({
      read: (key) => {
        const own = writes.get(key);
        return own === undefined ? this.#newest(key) : own.entry;
      },
      write: (entry) => void writes.set(entry.key, { entry }),
      remove: (key) => void writes.set(key, { entry: undefined }),
    });
    if (writes.size === 0) return of(result);
    this.#place?.assertSame();
    return from(this.#commit(writes)).pipe(
      map((isOurs) => {
        if (!isOurs) throw new StoreUnavailable('another process has taken the job store over');
        return result;
      }),
    );
  }

  /** Hands all to LMDB's thread, to be committed together. */
  #commit(writes: ReadonlyMap<string, Uncommitted>): Promise<boolean> {
    const work = (): void => writes.forEach((write, key) => this.#apply(key, write));
    writes.forEach((write, key) => this.#uncommitted.set(key, write));
    const fence = this.#fence;
    const over: Promise<boolean> = Promise.resolve(
      fence === undefined ? this.#db.batch(work) : this.#db.ifVersion(fence.key, fence.number, work),
    ).finally(() => {
      this.#underWay.delete(over);
      writes.forEach((write, key) => this.#uncommitted.get(key) === write && this.#uncommitted.delete(key));
    });
    this.#underWay.add(over);
    return over;
  }

  #apply(key: string, { entry }: Uncommitted): void {
    // These promises end as the batch's own does, which is the one that tells.
    const written: unknown = entry === undefined ? this.#db.remove(key) : this.#db.put(key, entry.text, entry.until);
    if (written instanceof Promise) written.catch(() => false);
  }

  #alone<T>(work: (txn: Txn) => T): T {
    return this.#db.transactionSync(() =>
      work({
        read: (key) => this.#committed(key),
        write: (entry) => this.#apply(entry.key, { entry }),
        remove: (key) => this.#apply(key, { entry: undefined }),
      }),
    );
  }

  async #closing(last: (txn: Txn) => void = () => undefined): Promise<void> {
    await Promise.allSettled(this.#underWay);
    try {
      // Who has the place now has LMDB's locks, too: a transaction of ours ended this process by a signal.
      if (this.#place?.isSame() !== false) this.#alone(last);
    } finally {
      this.#place?.close();
      await this.#db.close();
    }
  }
}

/** Opens `jobs.lmdb` in a directory of a local disk, making both where missing; of a temporary one the name may go. Throws `StoreUnavailable`, which says why not. */
export const lmdbFile = (directory: string, isTemporary = false): LmdbFile =>
  new OpenLmdbFile(openDatabase(directory), directory, isTemporary);

const unwritable = (cause: unknown): Error =>
  cause instanceof StoreUnavailable || cause instanceof Unstorable
    ? cause
    : new StoreUnavailable(`the job store cannot be written: ${messageOf(cause)}`, { cause });

/** lmdb says "Commit failed" and keeps the reason in a promise of its own, which must be looked at or ends the process. */
function causeOf(error: unknown): Observable<unknown> {
  const reason = (error as { commitError?: Promise<unknown> }).commitError;
  return reason === undefined ? of(error) : from(reason).pipe(catchError((cause: unknown) => of(cause)));
}
