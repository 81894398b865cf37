import { publicJob } from '../../../gateway/wire/public-job';
import { jobViews } from '../../../gateway/wire/job-views';
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

const servers = [{ url: state.serverUrl, name: 'studio' }];

test('[R13] the ids of sessions stay behind, texts and the URL lose what is not for browsers; users see the server’s name', () => {
  const { clientId, session, retry, serverUrl: _, ...rest } = state;
  expect([clientId, session, retry]).not.toContain(undefined);
  const told = { ...rest, server: 'studio', failure: { ...state.failure, message: 'no file a.safetensors' } };
  expect(publicJob(state, servers, 'user')).toEqual(told);
  expect(publicJob(state, servers, 'service')).toEqual({ ...told, serverUrl: 'https://pod.example:8188/comfy' });
  expect(publicJob({ ...state, serverUrl: 'http://10.0.0.9' }, servers, 'user').server).toBe('another server');
});

test('[R13] a server’s address in a failure is its name to users', () => {
  const failure = { ...state.failure!, message: 'pod.example:8188 refused, see http://10.0.0.7:8188/x' };
  const known = [...servers, { url: 'http://10.0.0.7:8188', name: 'server-2' }];
  const messageTo = (role: 'user' | 'service') => publicJob({ ...state, failure }, known, role).failure?.message;
  expect(messageTo('user')).toBe('studio refused, see server-2/x');
  expect(messageTo('service')).toBe(failure.message);
});

test('[R13] what a store holds beside a state does not leave, at any depth', () => {
  const more = {
    ...state,
    traceback: ['x'],
    node: { ...state.node!, inputs: { text: 'private' } },
    outputs: state.outputs!.map((output) => ({ ...output, fullpath: '/home/ada/private.png' })),
    nodeErrors: state.nodeErrors!.map((error) => ({ ...error, received: 'private' })),
    failure: { ...state.failure!, traceback: 'x', current_inputs: {} },
  };
  for (const role of ['user', 'service'] as const)
    expect(JSON.stringify(publicJob(more, servers, role))).not.toMatch(
      /traceback|current_inputs|private|fullpath|"inputs"|the-session|the-client|hunter22/,
    );
});

test.each([
  ['/home/ada/out/a.png', '/home/ada/out', 'a.png', 'out'],
  ['C:\\Users\\ada\\a.png', 'C:\\', 'a.png', ''],
  ['\\\\nas\\ada\\a.png', '\\\\nas\\ada', 'a.png', 'ada'],
  ['~/a.png', '/', 'a.png', ''],
  ['a.png', 'x/y', 'a.png', 'x/y'],
])('[R13] an output’s path %j in %j is told as %j in %j', (filename, subfolder, name, folder) => {
  const outputs = [{ ...state.outputs![0]!, filename, subfolder }];
  expect(publicJob({ ...state, outputs }, servers, 'service').outputs).toEqual([
    { ...outputs[0], filename: name, subfolder: folder },
  ]);
});

test('a state is looked at once, however many are told of it', () => {
  const views = jobViews(() => servers);
  expect(views.of(state, { role: 'user' })).toBe(views.of(state, { role: 'user' }));
  expect(views.of(state, { role: 'service' })).not.toBe(views.of(state, { role: 'user' }));
});

test('absent fields stay absent', () => {
  const { promptId, type, userId, status, progress, startedAt, serverUrl, phase, updatedAt, via, attempt, epoch, seq } =
    state;
  const always = { promptId, type, userId, status, progress, startedAt, phase, updatedAt, via, attempt, epoch, seq };
  expect(Object.keys(publicJob({ ...always, serverUrl }, servers, 'user')).sort()).toEqual(
    [...Object.keys(always), 'server'].sort(),
  );
});
