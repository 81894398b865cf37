import type { PublicJob } from '../wire/public-job';

/** A running job is told of at least once a second: a bar goes on by itself for so long. */
const STATES_MS = 1_000;

/**
 * The bar and the time left of a live job, `ageMs` after its state came: both go on at the pace that the state promises,
 * the bar for a second, the time down to 0. Of a waiting job `etaMs` is the time to its start, and the bar stands still.
 * A state that comes later may promise less: whoever draws a bar that never falls keeps the largest.
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
