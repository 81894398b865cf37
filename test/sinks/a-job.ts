import type { JobState } from '../../streams/job-state';

/** A running job's state, with what a test cares about. */
export const aJob = (own: Partial<JobState> = {}): JobState => ({
  promptId: 'job-1',
  type: 'image_generation',
  userId: 'ann',
  status: 'processing',
  progress: 12.5,
  startedAt: 1_700_000_000_000,
  serverUrl: 'http://127.0.0.1:8188',
  phase: 'running',
  updatedAt: 1_700_000_001_000,
  via: 'websocket',
  attempt: 1,
  epoch: 1_700_000_000_000,
  seq: 1,
  ...own,
});
