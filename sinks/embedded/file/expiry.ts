import { defer, EMPTY, expand, ignoreElements, type Observable, type SchedulerLike } from 'rxjs';
import { type Report, skippingErrors } from '../../../streams/operators/reporting';
import { LAST, type Entry, type LmdbFile, type Txn } from './lmdb-file';

/** Prefix of the sweep's schedule: `due:<ms>:<key>` says when to check the entry of that key. */
export const DUE_PREFIX = 'due:';
const DIGITS = 16;
/** Entries checked in one transaction. */
const BATCH = 256;

const dueAt = (ms: number): string => `${DUE_PREFIX}${`${Math.max(0, Math.floor(ms))}`.padStart(DIGITS, '0')}`;

/** Whether LMDB can look a key up: it takes 1,978 bytes at most. */
const isKey = (key: string): boolean => Buffer.byteLength(key) < 1_950;

/** The entry of a key if it has not expired; `undefined` too if the key is too long for LMDB. */
export const alive = (from: Pick<Txn, 'read'>, key: string, clock: SchedulerLike): Entry | undefined => {
  const entry = isKey(key) ? from.read(key) : undefined;
  return entry !== undefined && entry.until > clock.now() ? entry : undefined;
};

/** Writes an entry, and, if it is new, schedules its removal for when it expires. */
export function lasting(txn: Txn, entry: Entry): void {
  if (txn.read(entry.key) === undefined) dueLater(txn, entry.key, entry.until);
  txn.write(entry);
}

/** Schedules the first check of an entry for when it expires; call it once, when the entry is made. */
export const dueLater = (txn: Txn, key: string, until: number): void =>
  txn.write({ key: `${dueAt(until)}:${key}`, text: '', until });

/**
 * Calls `remove` for each expired entry, and reads only those that are due. A renewed entry is checked again when its
 * new time is over. Reports errors, and never errors.
 */
export function expired(
  file: LmdbFile,
  clock: SchedulerLike,
  remove: (txn: Txn, key: string) => void,
  report: Report,
): Observable<never> {
  const batch$ = defer((): Observable<number> => {
    const due = file.range({ after: DUE_PREFIX, before: `${dueAt(clock.now())}:${LAST}`, most: BATCH });
    if (due.length === 0) return EMPTY;
    return file.transact((txn) => {
      for (const { key: at } of due) {
        const key = at.slice(DUE_PREFIX.length + DIGITS + 1);
        const entry = txn.read(key);
        txn.remove(at);
        if (entry === undefined) continue;
        if (entry.until > clock.now()) dueLater(txn, key, entry.until);
        else remove(txn, key);
      }
      return due.length;
    });
  });
  return batch$.pipe(
    expand((looked) => (looked < BATCH ? EMPTY : batch$)),
    skippingErrors('embedded sweep', report),
    ignoreElements(),
  );
}
