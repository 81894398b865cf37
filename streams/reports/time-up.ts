import type { JobState } from '../job/job-state';

/** How long a reporting program has to come back after this instance restarted, or the store was away, ms. */
export const RETURN_MS = 30_000;

/** When a job's time is up, ms since 1970: at its deadline, or after `silentMs` without a report; ∞ for never. */
export const timeUpAt = (state: JobState): number =>
  Math.min(state.deadlineAt ?? Number.POSITIVE_INFINITY, silentUntil(state));

/**
 * Until when a reported job may be silent. An instance that took it up (at `epoch`) could hear no report before that.
 */
const silentUntil = ({ reported, epoch }: Pick<JobState, 'reported' | 'epoch'>): number =>
  reported === undefined
    ? Number.POSITIVE_INFINITY
    : Math.max(reported.heardAt + reported.silentMs, epoch + Math.min(reported.silentMs, RETURN_MS));
