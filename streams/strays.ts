import type { JobEvent } from './job-event';

const MAX_JOBS = 64;
const MAX_EVENTS = 256;

/** Events of jobs not known yet: a frame may come before the answer to the post that caused it. Bounded; the oldest job goes first. */
export function strays(): { keep(event: JobEvent): void; take(promptId: string): readonly JobEvent[] } {
  const byJob = new Map<string, JobEvent[]>();
  return {
    keep: (event) => {
      const events = byJob.get(event.promptId) ?? [];
      byJob.delete(event.promptId);
      byJob.set(event.promptId, events);
      if (events.length < MAX_EVENTS) events.push(event);
      const oldest = byJob.keys().next();
      if (byJob.size > MAX_JOBS && oldest.done !== true) byJob.delete(oldest.value);
    },
    take: (promptId) => {
      const events = byJob.get(promptId) ?? [];
      byJob.delete(promptId);
      return events;
    },
  };
}
