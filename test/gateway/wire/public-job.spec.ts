import { publicJob } from '../../../gateway/wire/public-job';
import { scrubbed } from '../../../gateway/wire/redact';
import type { JobState } from '../../../streams/job/job-state';

const state: JobState = {
  promptId: 'b0f1c1e2-0000-4000-8000-000000000000',
  type: 'image_generation',
  userId: 'ada',
  characterId: 'aria',
  status: 'failed',
  progress: 40.5,
  startedAt: 1,
  clientId: 'the-client',
  session: 'the-session',
  runId: 'the-run',
  retry: { maxAttempts: 2 },
  serverUrl: 'https://user:hunter22@pod.example:8188/comfy?token=hunter22',
  phase: 'settled',
  queuePosition: 0,
  node: { id: '3', type: 'KSampler', title: 'Refine', value: 1, max: 2 },
  etaMs: 5,
  updatedAt: 2,
  finishedAt: 3,
  via: 'polling',
  outputs: [{ nodeId: '9', kind: 'images', filename: 'a.png', subfolder: 'x', type: 'output' }],
  failure: {
    kind: 'node_error',
    message: 'no file /home/u/models/a.safetensors',
    nodeId: '3',
    nodeType: 'KSampler',
    retryable: false,
  },
  nodeErrors: [{ nodeId: '3', input: 'seed', message: 'bad' }],
  attempt: 1,
  epoch: 4,
  seq: 5,
  metadata: { order: 7 },
};

test('[R13] the client id stays behind, texts and the URL lose what is not for browsers', () => {
  const { clientId, session, runId, retry, ...rest } = state;
  expect([clientId, session, runId, retry]).not.toContain(undefined);
  expect(publicJob(state)).toEqual({
    ...rest,
    serverUrl: 'https://pod.example:8188/comfy',
    failure: { ...state.failure, message: 'no file a.safetensors' },
  });
});

test('[R13] what a store holds beside a state does not leave', () => {
  const more = { ...state, traceback: ['x'], failure: { ...state.failure!, traceback: 'x', current_inputs: {} } };
  expect(JSON.stringify(publicJob(more))).not.toMatch(
    /traceback|current_inputs|the-session|the-client|the-run|hunter22/,
  );
});

test('absent fields stay absent', () => {
  const { promptId, type, userId, status, progress, startedAt, serverUrl, phase, updatedAt, via, attempt, epoch, seq } =
    state;
  const bare = {
    promptId,
    type,
    userId,
    status,
    progress,
    startedAt,
    phase,
    updatedAt,
    via,
    attempt,
    epoch,
    seq,
    serverUrl,
  };
  expect(Object.keys(publicJob(bare)).sort()).toEqual(Object.keys(bare).sort());
});

test.each([
  ['cannot open /opt/ComfyUI/models/vae/x.pt', 'cannot open x.pt'],
  ["No such file: '/root/a/b.png'", "No such file: 'b.png'"],
  ['C:\\Users\\ada\\ComfyUI\\out.png is locked', 'out.png is locked'],
  ['bad value\nTraceback (most recent call last):\n  File "/x/y.py", line 3', 'bad value'],
  ['boom File "/x/nodes.py", line 3, in f', 'boom'],
  ['get https://user:pass@host/x failed', 'get https://host/x failed'],
  ['Authorization: abcdef0123456789 refused', 'Authorization: … refused'],
  ['token=abcdef0123456789', 'token=…'],
  ['Value 12 smaller than min of 16: width/height', 'Value 12 smaller than min of 16: width/height'],
  ['needs 24 GiB/s and a token of trust', 'needs 24 GiB/s and a token of trust'],
  ['see https://docs.comfy.org/tutorials/basic', 'see https://docs.comfy.org/tutorials/basic'],
])('[R13] scrubbed: %j', (text, rest) => {
  expect(scrubbed(text)).toBe(rest);
});
