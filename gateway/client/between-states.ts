import type { PublicJob } from '../wire/public-job';

/** A running job gets a state at least once a second, so the bar goes on by itself for 1 s at most. */
const STATES_MS = 1_000;

/**
 * The progress (0 to 100) and the time left (ms) to show of a job, `ageMs` after its state arrived. Both go on at the
 * state's own pace, the progress for 1 s, the time down to 0. While the job waits, `etaMs` is the time to its start and
 * the progress stays. The next state may have less progress: to draw a bar that never falls, keep the largest value.
 */
export function betweenStates(
  { status, progress, etaMs }: Pick<PublicJob, 'status' | 'progress' | 'etaMs'>,
  ageMs: number,
): { readonly progress: number; readonly etaMs?: number } {
  if (etaMs === undefined || (status !== 'processing' && status !== 'queued')) return { progress };
  const left = { etaMs: Math.max(0, etaMs - Math.max(0, ageMs)) };
  if (status === 'queued' || etaMs === 0) return { progress, ...left };
  const done = Math.min(Math.max(0, ageMs), STATES_MS, etaMs) / etaMs;
  return { progress: Math.max(progress, Math.min(99.9, progress + (100 - progress) * done)), ...left };
}
