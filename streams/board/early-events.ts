import type { JobEvent } from '../job/job-event';

const MAX_JOBS = 64;
const MAX_EVENTS = 256;

/**
 * Events of jobs not known yet: a frame may come before the answer to the post that caused it. Bounded; the oldest job
 * goes first. Where some were missed, the rest no longer counts as the whole of it (R3).
 */
export interface Strays {
  keep(event: JobEvent): void;
  /** Something may have been missed of any of them. */
  spoil(): void;
  take(promptId: string): readonly JobEvent[];
}

export function strays(): Strays {
  const byJob = new Map<string, readonly JobEvent[]>();
  return {
    keep: (event) => {
      const events = byJob.get(event.promptId) ?? [];
      byJob.delete(event.promptId);
      byJob.set(event.promptId, events.length < MAX_EVENTS ? [...events, event] : withoutStart(events));
      const oldest = byJob.keys().next();
      if (byJob.size > MAX_JOBS && oldest.done !== true) byJob.delete(oldest.value);
    },
    spoil: () => {
      for (const [promptId, events] of byJob) byJob.set(promptId, withoutStart(events));
    },
    take: (promptId) => {
      const events = byJob.get(promptId) ?? [];
      byJob.delete(promptId);
      return events;
    },
  };
}

/** `started` is what promises that nothing is missing. */
const withoutStart = (events: readonly JobEvent[]): readonly JobEvent[] =>
  events.filter(({ tag }) => tag !== 'started');
