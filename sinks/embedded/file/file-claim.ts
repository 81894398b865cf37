import { randomInt } from 'node:crypto';
import { asyncScheduler, defer, EMPTY, exhaustMap, ignoreElements, interval, tap, type Observable } from 'rxjs';
import { orNothing, type Report, reportingOutages } from '../../../streams/operators/reporting';
import { isUnavailable, StoreUnavailable } from '../../job-store';
import { isGone, runsBeside, thisProcess, type ProcessIdentity } from '../../process-identity';
import type { Entry, LmdbFile, Txn } from './lmdb-file';

/** Prefix of the claim's keys. Their `until` is no expiry, so no sweep may touch them. */
export const CLAIM_PREFIX = 'claim';
const CLAIM_KEY = CLAIM_PREFIX;
const SIGN_KEY = 'claim:sign-of-life';

/**
 * How often the owner writes a sign of life, and how long after the last one it counts as alive where its process
 * cannot be seen, as in another container; ms.
 */
const SIGN_MS = 3_000;
const BELIEVED_MS = 15_000;

/** A file that is claimed. */
export interface Claim {
  /**
   * Completes once no other process can claim the file within the next `ms`; writes a sign of life if the last is not
   * believed for so long any more. Errors with `StoreUnavailable` if another process has claimed it.
   */
  readonly kept: (ms: number) => Observable<never>;
  /** Gives the claim back, in the last transaction of `LmdbFile.close`. */
  readonly release: (txn: Txn) => void;
}

/**
 * Claims the file for this process, so that no other serves its jobs too. A claim ends with its process, or, where that
 * cannot be seen from here, 15 s after its last sign of life. Throws `StoreUnavailable` if another process has it.
 */
export function claimFile(file: LmdbFile, directory: string, report: Report): Claim {
  const here = thisProcess();
  const token = randomInt(1, 2 ** 47);
  let signedAt = Date.now();
  const sign = (txn: Txn): number => {
    const now = Date.now();
    txn.write({ key: SIGN_KEY, text: '', until: now });
    return now;
  };
  const signed$ = defer(() => file.transact(sign)).pipe(
    tap((now) => (signedAt = now)),
    ignoreElements(),
  );

  const readers = file.readers();
  file.exclusively((txn) => {
    const [held, last] = [txn.read(CLAIM_KEY), txn.read(SIGN_KEY)];
    if (held !== undefined && isHeld(held, last, here, readers)) throw new StoreUnavailable(complaint(directory, held));
    txn.write({ key: CLAIM_KEY, text: JSON.stringify(here ?? { pid: process.pid }), until: token });
    signedAt = sign(txn);
  });
  file.fence(CLAIM_KEY, token);

  const told = reportingOutages('embedded claim', report, isUnavailable);
  const signing = interval(SIGN_MS, asyncScheduler)
    .pipe(exhaustMap(() => signed$.pipe(told(), orNothing)))
    .subscribe();

  return {
    kept: (ms) =>
      defer(() => {
        const sinceMs = Date.now() - signedAt;
        return sinceMs >= 0 && sinceMs + ms < BELIEVED_MS ? EMPTY : signed$;
      }),
    release: (txn) => {
      signing.unsubscribe();
      if (txn.read(CLAIM_KEY)?.until === token) txn.remove(CLAIM_KEY);
    },
  };
}

function isHeld(
  held: Entry,
  sign: Entry | undefined,
  here: ProcessIdentity | undefined,
  readers: readonly number[],
): boolean {
  const owner = JSON.parse(held.text) as ProcessIdentity;
  if (here !== undefined && runsBeside(owner, here)) return !isGone(owner, here);
  // LMDB knows readers by their pids. Beside a paused container whose process has this one's pid, often 1, no read works
  // here, and LMDB ends the process.
  if (owner.pid === process.pid && readers.includes(owner.pid)) return true;
  return Date.now() - (sign?.until ?? 0) < BELIEVED_MS;
}

const complaint = (directory: string, { text }: Entry): string =>
  `the job store in ${directory} is in use by another process (pid ${(JSON.parse(text) as { readonly pid: number }).pid}): two cannot share one directory; ` +
  `give each its own DATA_DIR, or both one REDIS_URL (after a crash in another container, wait ${BELIEVED_MS / 1000} s)`;
