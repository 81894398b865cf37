import { closeSync, mkdirSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { open } from 'lmdb';
import {
  asyncScheduler,
  catchError,
  defer,
  EMPTY,
  expand,
  from,
  ignoreElements,
  mergeMap,
  of,
  scheduled,
  throwError,
  type Observable,
} from 'rxjs';
import { StoreUnavailable } from '../job-store';

/** How an LMDB file begins, after a page header of 24 bytes. */
const MAGIC = 0xbeefc0de;
const MAGIC_AT = 24;

/** Entries to a step of `batches`, between which the event loop goes on. */
const BATCH = 256;

/** A string with a time. */
export interface Entry {
  readonly key: string;
  readonly text: string;
  readonly until: number;
}

/** Strings on disk, safe to share between processes. What it cannot do errors with `StoreUnavailable`. */
export interface LmdbFile {
  /** The entry as last committed. Throws `StoreUnavailable`. */
  read(key: string): Entry | undefined;
  /** Runs `work` with nothing in between, in this process or another. Emits what it returns once that is committed, which outlives the process. */
  transact<T>(work: (txn: Txn) => T): Observable<T>;
  /** All entries whose key begins so, by key, a batch at a time; each batch as it is then. */
  batches(prefix?: string): Observable<readonly Entry[]>;
  /** Completes when what was begun is committed and the file is closed. */
  close(): Observable<never>;
}

/** The file within a transaction. */
export interface Txn {
  read(key: string): Entry | undefined;
  write(entry: Entry): void;
  remove(key: string): void;
}

/** Opens `jobs.lmdb` in a directory of a local disk, making both where they are missing. Throws `StoreUnavailable`, which says why not. */
export function lmdbFile(directory: string): LmdbFile {
  const db = openDatabase(directory);
  const underWay = new Set<Promise<unknown>>();
  let closed: Promise<unknown> | undefined;

  const guarded = <T>(work: () => T): T => {
    if (closed !== undefined) throw new StoreUnavailable('the job store is closed');
    try {
      return work();
    } catch (cause) {
      throw new StoreUnavailable(`the job store cannot be read: ${messageOf(cause)}`, { cause });
    }
  };

  const batchAfter = (prefix: string, key?: string): readonly Entry[] =>
    guarded(() => {
      const after = key === undefined ? { start: prefix } : { start: key, exclusiveStart: true };
      const before = prefix === '' ? {} : { end: `${prefix}\uffff` };
      return [...db.getRange({ ...after, ...before, limit: BATCH, versions: true })].map(
        ({ key, value, version = 0 }) => ({
          key,
          text: value,
          until: version,
        }),
      );
    });

  const read = (key: string): Entry | undefined => {
    const entry = db.getEntry(key);
    return entry && { key, text: entry.value, until: entry.version ?? 0 };
  };

  const txn: Txn = {
    read,
    // Within a transaction these promises end as the transaction's own does, which is the one that tells.
    write: ({ key, text, until }) => void db.put(key, text, until).catch(() => false),
    remove: (key) => void db.remove(key).catch(() => false),
  };

  const lmdb: LmdbFile = {
    read: (key) => guarded(() => read(key)),

    transact: (work) =>
      defer(() => {
        const committed = guarded(() => db.transaction(() => work(txn)));
        const over: Promise<unknown> = committed.then(
          () => underWay.delete(over),
          () => underWay.delete(over),
        );
        underWay.add(over);
        return committed;
      }).pipe(
        catchError((error: unknown) => causeOf(error).pipe(mergeMap((cause) => throwError(() => unwritable(cause))))),
      ),

    batches: (prefix = '') =>
      defer(() => of(batchAfter(prefix))).pipe(
        expand((batch) => {
          const last = batch.length < BATCH ? undefined : batch.at(-1);
          return last === undefined
            ? EMPTY
            : scheduled([last], asyncScheduler).pipe(mergeMap(({ key }) => of(batchAfter(prefix, key))));
        }),
      ),

    close: () => defer(() => (closed ??= Promise.all(underWay).then(() => db.close()))).pipe(ignoreElements()),
  };
  return lmdb;
}

function openDatabase(directory: string) {
  const path = join(directory, 'jobs.lmdb');
  try {
    mkdirSync(directory, { recursive: true });
    assertLmdb(path);
    return open<string, string>({
      path,
      noSubdir: true,
      encoding: 'string',
      useVersions: true,
      // Batching by event turn leaves a promise that nobody holds: a full disk would end the process (lmdb 3.5.6).
      eventTurnBatching: false,
    });
  } catch (cause) {
    throw new StoreUnavailable(`the job store in ${directory} cannot be opened: ${messageOf(cause)}`, { cause });
  }
}

/** LMDB believes a file without looking: opening one that is not its own was a segmentation fault. */
function assertLmdb(path: string): void {
  const file = openSync(path, 'a+');
  try {
    const head = Buffer.alloc(MAGIC_AT + 4);
    const length = readSync(file, head, 0, head.length, 0);
    if (length > 0 && (length < head.length || head.readUInt32LE(MAGIC_AT) !== MAGIC)) {
      throw new Error(`${path} is not an LMDB file; move it away to start with an empty store`);
    }
  } finally {
    closeSync(file);
  }
}

const unwritable = (cause: unknown): StoreUnavailable =>
  cause instanceof StoreUnavailable
    ? cause
    : new StoreUnavailable(`the job store cannot be written: ${messageOf(cause)}`, { cause });

/** lmdb says "Commit failed" and keeps the reason in a promise of its own, which must be looked at or ends the process. */
function causeOf(error: unknown): Observable<unknown> {
  const reason = (error as { commitError?: Promise<unknown> }).commitError;
  return reason === undefined ? of(error) : from(reason).pipe(catchError((cause: unknown) => of(cause)));
}

const messageOf = (cause: unknown): string => (cause as Partial<Error>).message ?? String(cause);
