import { catchError, defer, EMPTY, expand, ignoreElements, type Observable, type SchedulerLike } from 'rxjs';
import { reporting, type Report } from '../../../streams/operators/reporting';
import { LAST, type Entry, type LmdbFile, type Txn } from './lmdb-file';

/** When entries are to be looked at: `due:<ms>:<key>`. */
export const DUE_PREFIX = 'due:';
const DIGITS = 16;
/** Entries looked at in one transaction. */
const BATCH = 256;

const dueAt = (ms: number): string => `${DUE_PREFIX}${`${Math.max(0, Math.floor(ms))}`.padStart(DIGITS, '0')}`;

/** What LMDB takes for a key: 1978 bytes. */
const isKey = (key: string): boolean => Buffer.byteLength(key) < 1_950;

/** An entry whose time is not over; none where the key is too long to be one. */
export const alive = (from: Pick<Txn, 'read'>, key: string, clock: SchedulerLike): Entry | undefined => {
  const entry = isKey(key) ? from.read(key) : undefined;
  return entry !== undefined && entry.until > clock.now() ? entry : undefined;
};

/** Writes an entry that is to be swept out when its time is over. */
export function lasting(txn: Txn, entry: Entry): void {
  if (txn.read(entry.key) === undefined) dueLater(txn, entry.key, entry.until);
  txn.write(entry);
}

/** Schedules an entry's first look for the end of its time; call it once, when the entry is made. */
export const dueLater = (txn: Txn, key: string, until: number): void =>
  txn.write({ key: `${dueAt(until)}:${key}`, text: '', until });

/** Removes expired entries by `remove`, and reads nothing else. An entry that was renewed is looked at again when its new time is over. */
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
    reporting('embedded sweep', report),
    catchError(() => EMPTY),
    ignoreElements(),
  );
}
