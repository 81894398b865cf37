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
  of,
  scheduled,
  throwError,
  type Observable,
} from 'rxjs';
import { StoreUnavailable, Unstorable } from '../../job-store';
import { FilePlace } from './file-place';
import { withReason } from './commit-error';
import { openDatabase, pathIn } from './open-database';
import { messageOf } from '../../../streams/workflow/shown-text';

/** Entries to a step of `batches`, between which the event loop goes on. */
const BATCH = 256;

/** Sorts after every other character: `prefix + LAST` comes after all keys with that prefix. */
export const LAST = '\u{10ffff}';

/** A text under a key. `until`: when it expires, ms since 1970; LMDB keeps it as the entry's version. */
export interface Entry {
  readonly key: string;
  readonly text: string;
  readonly until: number;
}

export interface Range {
  /** The key after which to begin. */
  readonly after: string;
  /** The key before which to end; if `down`, it is less than `after`. */
  readonly before: string;
  readonly down?: boolean;
  readonly most: number;
}

/** Texts on disk. What LMDB cannot do errors with `StoreUnavailable`. */
export interface LmdbFile {
  /** The entry as this process wrote it last, committed or not. Throws `StoreUnavailable`. */
  read(key: string): Entry | undefined;
  /**
   * Runs `work` at once and uninterrupted, on the entries as this process wrote them last. Emits its result once its
   * writes are committed, all or none; then they outlive the process.
   */
  transact<T>(work: (txn: Txn) => T): Observable<T>;
  /** Committed entries, in the order of their keys. Throws `StoreUnavailable`. */
  range(range: Range): readonly Entry[];
  /**
   * All committed entries whose key has the prefix, in the order of their keys, a batch at a time; each batch is read
   * when its turn comes.
   */
  batches(prefix?: string): Observable<readonly Entry[]>;
  /**
   * Runs `work` in a transaction that blocks this process until those of other processes have ended. Only for the start
   * and the end.
   */
  exclusively<T>(work: (txn: Txn) => T): T;
  /**
   * From now on writes fail unless the entry of `key` holds `number`: it does not once another process has claimed the
   * file.
   */
  fence(key: string, number: number): void;
  /** The pids of the processes that read the file, each in its own pid namespace. */
  readers(): readonly number[];
  /** Waits until all begun transactions are committed, runs `last`, closes the file and completes. */
  close(last?: (txn: Txn) => void): Observable<never>;
}

/** The file within a transaction. */
export interface Txn {
  read(key: string): Entry | undefined;
  write(entry: Entry): void;
  remove(key: string): void;
}

/** A write that is not committed yet; `undefined` is a removal. */
type Uncommitted = { readonly entry: Entry | undefined };

/**
 * The file, and the writes that are not committed yet. No write runs JavaScript in LMDB's transaction: `process.exit`
 * waits for LMDB's thread, which waited for the callback for ever (lmdb 3.5.6, three exits of eight under load).
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
      catchError((error: unknown) => throwError(() => unwritable(error))),
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

  readers(): readonly number[] {
    return [...this.#db.readerList().matchAll(/^ *(\d+)/gm)].map(([, pid]) => Number(pid));
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

  /**
   * Hands all writes to LMDB's thread, which commits them together. Resolves with `false` if the fence did not hold.
   */
  #commit(writes: ReadonlyMap<string, Uncommitted>): Promise<boolean> {
    const work = (): void => writes.forEach((write, key) => this.#apply(key, write));
    writes.forEach((write, key) => this.#uncommitted.set(key, write));
    const fence = this.#fence;
    const over: Promise<boolean> = withReason(
      fence === undefined ? this.#db.batch(work) : this.#db.ifVersion(fence.key, fence.number, work),
    ).finally(() => {
      this.#underWay.delete(over);
      writes.forEach((write, key) => this.#uncommitted.get(key) === write && this.#uncommitted.delete(key));
    });
    this.#underWay.add(over);
    return over;
  }

  #apply(key: string, { entry }: Uncommitted): void {
    // This promise settles as the batch's own does, and that one is awaited.
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
      // If another file is at the path by now, its process uses the same lock file: a transaction of ours then ended
      // this process by a signal.
      if (this.#place?.isSame() !== false) this.#alone(last);
    } finally {
      this.#place?.close();
      await this.#db.close();
    }
  }
}

/**
 * Opens `jobs.lmdb` in a directory on a local disk, and makes both where they are missing. If `isTemporary`, the file
 * may be removed while it is open. Throws `StoreUnavailable`, which says why.
 */
export const lmdbFile = (directory: string, isTemporary = false): LmdbFile =>
  new OpenLmdbFile(openDatabase(directory), directory, isTemporary);

const unwritable = (cause: unknown): Error =>
  cause instanceof StoreUnavailable || cause instanceof Unstorable
    ? cause
    : new StoreUnavailable(`the job store cannot be written: ${messageOf(cause)}`, { cause });
