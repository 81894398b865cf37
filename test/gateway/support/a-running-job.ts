import type { JobState } from '../../../streams/job/job-state';

/** A job of ada's that runs; its progress and its time are its number. */
export const aRunningJob = (promptId: string, seq: number, more: Partial<JobState> = {}): JobState => ({
  promptId,
  type: 'image_generation',
  userId: 'ada',
  status: 'processing',
  progress: seq,
  startedAt: 1,
  serverUrl: 'http://comfy',
  phase: 'running',
  updatedAt: seq,
  via: 'websocket',
  attempt: 1,
  epoch: 1,
  seq,
  ...more,
});

export const aCompletedJob = (promptId: string, seq: number): JobState =>
  aRunningJob(promptId, seq, { status: 'completed', progress: 100 });
