import type { JobState } from '../job/job-state';

/** After a restart of ours, or an outage of the store, a program that reports has so long to come back. */
export const RETURN_MS = 30_000;

/** When a job's time is up, in ms since 1970: its deadline, or the end of the silence that its reports may keep; ∞ for never. */
export const timeUpAt = (state: JobState): number =>
  Math.min(state.deadlineAt ?? Number.POSITIVE_INFINITY, silentUntil(state));

/** Until when a job may be silent that reports itself. Whoever takes it up (`epoch`) could not hear it before. */
export const silentUntil = ({ reported, epoch }: Pick<JobState, 'reported' | 'epoch'>): number =>
  reported === undefined
    ? Number.POSITIVE_INFINITY
    : Math.max(reported.heardAt + reported.silentMs, epoch + Math.min(reported.silentMs, RETURN_MS));
