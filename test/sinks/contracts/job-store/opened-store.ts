import { lastValueFrom } from 'rxjs';
import type { JobFilter, JobPage, JobQuery } from '../../../../sinks/listing/job-page';
import type { JobStore, PutOutcome } from '../../../../sinks/job-store';
import type { JobState } from '../../../../streams/job/job-state';

/** What the contract needs of a store's own spec. */
export interface Harness {
  readonly store: JobStore;
  /** What was reported. */
  readonly reports: readonly unknown[];
  /** Resolves once what is put is surely heard by who watches the job now. */
  listening(promptId: string): Promise<void>;
  /** Writes over what is kept of that job, as somebody else might. */
  overwriteKept(promptId: string, text: string): Promise<void>;
  /** Ends what `open` made beside the store. */
  dispose(): Promise<void>;
}

/** The store of the test at work, and what most tests do with it. */
export interface OpenedStore {
  readonly store: JobStore;
  readonly harness: Harness;
  readonly put: (state: JobState) => Promise<PutOutcome>;
  readonly get: (promptId: string) => Promise<JobState | undefined>;
  readonly page: (query?: Partial<JobQuery>) => Promise<JobPage>;
  readonly list: (filter?: JobFilter) => Promise<readonly JobState[]>;
  readonly remove: (promptId: string) => Promise<boolean>;
}

/** Opens a store for each test, and closes it; nothing may have been reported. */
export function openedStore(open: () => Promise<Harness>): OpenedStore {
  let harness: Harness;
  beforeEach(async () => {
    harness = await open();
  });
  afterEach(async () => {
    await lastValueFrom(harness.store.close(), { defaultValue: undefined });
    await harness.dispose();
    expect(harness.reports).toEqual([]);
  });
  const page = (query: Partial<JobQuery> = {}) => lastValueFrom(harness.store.page({ limit: 10_000, ...query }));
  return {
    get store() {
      return harness.store;
    },
    get harness() {
      return harness;
    },
    put: (state) => lastValueFrom(harness.store.put(state)),
    get: (promptId) => lastValueFrom(harness.store.get(promptId)),
    page,
    list: async (filter = {}) => (await page(filter)).jobs,
    remove: (promptId) => lastValueFrom(harness.store.remove(promptId)),
  };
}

export const idsOf = (states: readonly JobState[]): string[] => states.map(({ promptId }) => promptId).sort();
