import type { JobState } from '../../streams/job/job-state';

/** The state of a running job, with what a test cares about. */
export const aState = (own: Partial<JobState> = {}): JobState => ({
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

/** A state that has every field there is. */
export const aFullState = (own: Partial<JobState> = {}): JobState =>
  aState({
    characterId: 'mira',
    clientId: 'client-1',
    session: 'session-1',
    queuePosition: 0,
    node: { id: '3', type: 'KSampler', title: 'Sampler "β" 🎨', value: 4, max: 20 },
    etaMs: 12_000,
    cancelAskedAt: 1_700_000_090_000,
    finishedAt: 1_700_000_100_000,
    outputs: [{ nodeId: '9', kind: 'images', filename: 'a.png', subfolder: 'x/y', type: 'output' }],
    pictures: [{ nodeId: '8', kind: 'images', filename: 'p.png', subfolder: '', type: 'websocket' }],
    failure: { kind: 'node_error', message: 'It broke.', nodeId: '3', nodeType: 'KSampler', retryable: false },
    nodeErrors: [{ nodeId: '3', nodeType: 'KSampler', input: 'model', message: 'Missing.' }],
    runId: 'run-2',
    retry: { maxAttempts: 3, onLost: 'resubmit' },
    metadata: { anything: [1, { deep: null }], 'and more': true },
    ...own,
  });
