import type { JobState } from '../../../streams/job/job-state';

/** What all are told of a job of ada's that runs; its progress and its time are its number. */
export const aRun = (promptId: string, seq: number) =>
  ({
    promptId,
    type: 'image_generation',
    userId: 'ada',
    status: 'processing',
    progress: seq,
    startedAt: 1,
    phase: 'running',
    updatedAt: seq,
    via: 'websocket',
    attempt: 1,
    epoch: 1,
    seq,
  }) as const;

/** The same job as the store has it. */
export const aRunningJob = (promptId: string, seq: number, more: Partial<JobState> = {}): JobState => ({
  ...aRun(promptId, seq),
  serverUrl: 'http://comfy',
  ...more,
});

export const aCompletedJob = (promptId: string, seq: number): JobState =>
  aRunningJob(promptId, seq, { status: 'completed', progress: 100 });
