import type { JobState } from '../../streams/job/job-state';

const started = Date.now();

export const promptIdOf = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
/** Nobody's session, so that no instance takes it up. */
export const stateOf = (n: number, seq: number, end = false): JobState => ({
  promptId: promptIdOf(n),
  type: 'image_generation',
  userId: `user-${n}`,
  status: end ? 'completed' : 'processing',
  progress: end ? 100 : Math.min(99, Math.round(seq * 10) / 100),
  startedAt: started,
  serverUrl: 'http://10.0.0.5:8188',
  phase: end ? 'settled' : 'running',
  ...(end
    ? {
        finishedAt: Date.now(),
        outputs: [{ nodeId: '9', kind: 'images', filename: `${n}.png`, subfolder: '', type: 'output' }],
      }
    : { node: { id: '3', type: 'KSampler', title: 'Sampler', value: seq % 20, max: 20 }, etaMs: 20_000 }),
  updatedAt: Date.now(),
  via: 'websocket',
  attempt: 1,
  epoch: started,
  seq,
});
