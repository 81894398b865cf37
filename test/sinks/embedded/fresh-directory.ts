import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, toArray } from 'rxjs';
import type { JobStore } from '../../../sinks/job-store';
import type { JobState } from '../../../streams/job/job-state';
import { aState } from '../a-state';

export const TTL_MS = 7_200_000;

/** Where the store of the running test has its file. */
export let directory: string;
export let reports: string[];

export const freshDirectory = () => {
  directory = mkdtempSync(join(tmpdir(), 'jobstream-'));
  reports = [];
};

export const removeDirectory = () => rmSync(directory, { recursive: true });

export const report = (where: string, error: unknown) => void reports.push(`${where}: ${String(error)}`);
export const put = (store: JobStore, own: Partial<JobState> = {}) => lastValueFrom(store.put(aState(own)));
export const get = (store: JobStore, promptId = 'job-1') => lastValueFrom(store.get(promptId));
export const list = (store: JobStore) => lastValueFrom(store.live().pipe(toArray()));
export const close = (store: Pick<JobStore, 'close'>) => lastValueFrom(store.close(), { defaultValue: undefined });
