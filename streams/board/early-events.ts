import { bounds } from '../bounds';
import type { JobEvent } from '../job/job-event';

/** How many events of one job are kept. */
const MAX_EVENTS = 256;

/**
 * Events of jobs not known yet: a frame may come before the answer to the post that caused it. Bounded in jobs, events
 * and bytes; the oldest job is dropped first. If an event of a job was missed or dropped, its `started` is dropped too:
 * the rest must not count as all of the run's frames (R3).
 */
export interface EarlyEvents {
  keep(event: JobEvent): void;
  /** Call when events of any of these jobs may have been missed. */
  spoil(): void;
  /** Returns a job's events, and forgets them. */
  take(promptId: string): readonly JobEvent[];
}

interface Early {
  readonly events: readonly JobEvent[];
  readonly bytes: number;
}

export function earlyEvents({
  earlyJobs,
  earlyBytes,
}: Pick<typeof bounds, 'earlyJobs' | 'earlyBytes'> = bounds): EarlyEvents {
  const byJob = new Map<string, Early>();
  let bytes = 0;
  const drop = (promptId: string): readonly JobEvent[] => {
    const early = byJob.get(promptId);
    byJob.delete(promptId);
    bytes -= early?.bytes ?? 0;
    return early?.events ?? [];
  };
  const set = (promptId: string, early: Early): void => {
    drop(promptId);
    byJob.set(promptId, early);
    bytes += early.bytes;
  };
  return {
    keep: (event) => {
      const { promptId } = event;
      const size = sizeOf(event);
      // Too large to keep: what is kept of the job is incomplete then.
      if (size > earlyBytes) {
        const early = byJob.get(promptId);
        if (early !== undefined) set(promptId, { ...early, events: withoutStart(early.events) });
        return;
      }
      const { events, bytes: before } = byJob.get(promptId) ?? { events: [], bytes: 0 };
      if (events.length < MAX_EVENTS) set(promptId, { events: [...events, event], bytes: before + size });
      else set(promptId, { events: withoutStart(events), bytes: before });
      for (const oldest of byJob.keys()) {
        if (byJob.size <= earlyJobs && bytes <= earlyBytes) break;
        drop(oldest);
      }
    },
    spoil: () => {
      for (const [promptId, early] of byJob) byJob.set(promptId, { ...early, events: withoutStart(early.events) });
    },
    take: drop,
  };
}

/** About the bytes of an event: its length as JSON. */
const sizeOf = (event: JobEvent): number => JSON.stringify(event).length;

/** Without `started`, which would promise that no frame is missing. */
const withoutStart = (events: readonly JobEvent[]): readonly JobEvent[] =>
  events.filter(({ tag }) => tag !== 'started');
