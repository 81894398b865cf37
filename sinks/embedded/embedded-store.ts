import {
  asyncScheduler,
  catchError,
  concatMap,
  defer,
  EMPTY,
  exhaustMap,
  finalize,
  interval,
  map,
  NEVER,
  of,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import type { JobState } from '../../streams/job/job-state';
import { watchers } from '../../streams/maps/keyed-watchers';
import type { Report } from '../../streams/operators/reporting';
import { checkOptions } from '../../streams/options';
import { harmless } from '../harmless';
import type { JobStore } from '../job-store';
import { embeddedHooks } from './embedded-webhook-queue';
import { expired } from './file/expiry';
import { claimFile } from './file/file-claim';
import { lastingFolder, temporaryFolder, type Folder } from './file/folder';
import { lmdbFile } from './file/lmdb-file';
import { embeddedIndex } from './listing/embedded-index';
import { embeddedListing } from './listing/embedded-listing';
import { singleProcessLeases } from './single-process-leases';
import { embeddedFiles } from './stored/embedded-files';
import { EmbeddedStates } from './stored/embedded-states';
import { embeddedLearned } from './stored/embedded-learned';
import { embeddedReservations } from './stored/embedded-reservations';

/** How often expired entries are removed, ms; until then they are hidden. */
export const SWEEP_MS = 60_000;

const PROBE_KEY = 'probe';

/** Where an embedded store keeps its file. */
export type EmbeddedStoreOptions = {
  readonly clock?: SchedulerLike;
  readonly report: Report;
} & (
  | {
      /** Where the file is kept: a folder on a local disk, of one process at a time. */
      readonly directory: string;
      readonly temporary?: false;
    }
  | {
      /**
       * `true`: the data end with the process. The file loses its name once it is open, so that nothing is left behind.
       */
      readonly temporary: true;
      readonly directory?: undefined;
    }
);

const KNOWN: Readonly<Record<keyof EmbeddedStoreOptions, true>> = {
  clock: true,
  report: true,
  directory: true,
  temporary: true,
};

function folderOf({ temporary, directory }: EmbeddedStoreOptions): Folder {
  if (temporary === true) return temporaryFolder();
  if (typeof (directory as unknown) !== 'string' || directory === '')
    throw new TypeError('embeddedStore’s directory must be the path of a folder, or temporary true');
  return lastingFolder(directory);
}

/**
 * States in a file, for one process without Redis. What was stored outlives `kill -9`. Throws `StoreUnavailable` if the
 * file cannot be opened, or another process has it, and a `TypeError` that names an option that is unknown or cannot be
 * taken.
 */
export function embeddedStore(options: EmbeddedStoreOptions): JobStore {
  checkOptions('embeddedStore', options, KNOWN);
  const { clock = asyncScheduler } = options;
  const report = harmless('report', options.report);
  const folder = folderOf(options);
  const file = lmdbFile(folder.path, folder.isTemporary);
  const claim = claimFile(file, folder.path, report);
  folder.opened();
  const feed = watchers<JobState>();
  const index = embeddedIndex(file);
  const states = new EmbeddedStates({ file, index, feed, clock, report });
  const listing = embeddedListing({ file, index, clock, report });

  const sweeping = interval(SWEEP_MS, clock)
    .pipe(exhaustMap(() => expired(file, clock, (txn, key) => states.removeExpired(txn, key), report)))
    .subscribe();

  /** Writes an entry, to see whether the file takes writes. Errors with `StoreUnavailable`. */
  const probe = (): Observable<readonly string[]> =>
    file.transact((txn) => txn.write({ key: PROBE_KEY, text: '', until: clock.now() })).pipe(map(() => []));

  const healthy = (): Observable<boolean> =>
    probe().pipe(
      map(() => true),
      catchError(() => of(false)),
    );

  return {
    leases: singleProcessLeases(() => listing.live(), claim.kept),
    mayHaveLost$: NEVER,
    hooks: embeddedHooks(file, clock, report),
    ...listing,
    ...embeddedFiles(file, clock),
    ...embeddedReservations(file, clock),
    ...embeddedLearned(file, clock),

    put: (state, workflow) => states.put(state, workflow),
    get: (promptId) => states.get(promptId),
    workflow: (promptId) => states.workflow(promptId),
    // Reading workflows one by one costs no more here, and each put writes the index in its own transaction.
    workflows: () => of(new Map()),
    refile: () => EMPTY,
    remove: (promptId) => states.remove(promptId),

    // There is one process: everybody who watches a job is in it.
    changes: (promptId) => feed.changes(promptId),
    announce: () => undefined,
    show: () => undefined,
    previews: () => NEVER,

    preflight: () => healthy().pipe(concatMap((isWell) => (isWell ? of([]) : probe()))),
    healthy,

    close: () =>
      defer(() => {
        sweeping.unsubscribe();
        return file.close(claim.release).pipe(finalize(folder.closed));
      }),
  };
}
