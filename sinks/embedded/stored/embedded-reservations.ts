import { ignoreElements, type SchedulerLike } from 'rxjs';
import { RESERVED_S, type JobStore } from '../../job-store';
import { alive, lasting } from '../file/expiry';
import type { LmdbFile } from '../file/lmdb-file';

const reservedKey = (name: string): string => `reserved:${name}`;

/** Texts under names that callers reserve; see `JobStore.reserve`. */
export function embeddedReservations(file: LmdbFile, clock: SchedulerLike): Pick<JobStore, 'reserve' | 'amend'> {
  return {
    reserve: (name, text) =>
      file.transact((txn) => {
        const key = reservedKey(name);
        const held = alive(txn, key, clock);
        if (held === undefined) lasting(txn, { key, text, until: clock.now() + RESERVED_S * 1000 });
        return held?.text ?? text;
      }),

    amend: (name, text) =>
      file
        .transact((txn) => {
          const held = alive(txn, reservedKey(name), clock);
          if (held !== undefined) txn.write({ ...held, text });
        })
        .pipe(ignoreElements()),
  };
}
