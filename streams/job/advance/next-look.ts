import { isAtServer, type Job } from '../job';
import type { Timing } from '../timing';

/** When a job is looked up next, ms since 1970; ∞ while ComfyUI does not have it. */
export const nextLookAtOf = (job: Job): number => (isAtServer(job) ? job.stage.nextLookAt : Number.POSITIVE_INFINITY);

/** The job with its next look at this time; unchanged if ComfyUI does not have it. */
export const lookedUpAt = (job: Job, nextLookAt: number): Job =>
  isAtServer(job) ? { ...job, stage: { ...job.stage, nextLookAt } } : job;

/** The job with a look due now that no frame puts off. */
export const owingLook = (job: Job, at: number): Job =>
  isAtServer(job) ? { ...job, stage: { ...job.stage, nextLookAt: at, lookOwed: true } } : job;

/** The job with its next look at this time, or at the planned one if that is sooner. */
export const lookedUpBy = <J extends Job>(job: J, time: number): J =>
  isAtServer(job) && time < job.stage.nextLookAt ? { ...job, stage: { ...job.stage, nextLookAt: time } } : job;

/**
 * How long after a look, or after ComfyUI took it, a job is looked up, ms (R8): polled without an open socket; else
 * audited, after twice the time with each audit that told nothing new, and where it waits, as each `status` tells of the
 * queue.
 */
export function usualMs({ linked, stage, state }: Job, { auditMs, maxAuditMs, pollMs }: Timing): number {
  if (!linked) return pollMs;
  const doublings = ('audits' in stage ? stage.audits : 0) + (state.status === 'queued' ? 1 : 0);
  return Math.min(maxAuditMs, auditMs * 2 ** doublings);
}
