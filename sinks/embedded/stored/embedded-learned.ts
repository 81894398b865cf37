import { ignoreElements, map, reduce, type SchedulerLike } from 'rxjs';
import type { LearnedEntry } from '../../../streams/job/progress/learned/learned';
import { LEARNED_S, type JobStore } from '../../job-store';
import { lasting } from '../file/expiry';
import type { LmdbFile } from '../file/lmdb-file';

/** Prefix of the keys of these entries. */
const LEARNED = 'learned:';

/** What runs taught of nodes' durations; see `JobStore.learn`. */
export function embeddedLearned(file: LmdbFile, clock: SchedulerLike): Pick<JobStore, 'learned' | 'learn'> {
  return {
    learned: () =>
      file.batches(LEARNED).pipe(
        map((entries) => entries.map(({ key, text }): LearnedEntry => [key.slice(LEARNED.length), text])),
        reduce((all: readonly LearnedEntry[], some) => all.concat(some), []),
      ),

    learn: (entries) =>
      file
        .transact((txn) => {
          for (const [key, text] of entries) {
            if (text === undefined) txn.remove(LEARNED + key);
            else lasting(txn, { key: LEARNED + key, text, until: clock.now() + LEARNED_S * 1000 });
          }
        })
        .pipe(ignoreElements()),
  };
}
