import { historyIdOf, historyOf } from '../../../sources/codecs/history.codec';
import { jobListOf, jobOf, queueOf } from '../../../sources/codecs/lookup.codec';
import { isFile, type Failure, type JobOutput } from '../../../streams/job/job-state';
import { exchangesOf, recordings, type Recording } from '../../support/replay/recordings';
import { graphOf } from '../../../streams/job/workflow';

const withAnswers = (route: RegExp, status?: number) =>
  recordings
    .map((recording) => [recording.name, answersOf(recording, route, status)] as const)
    .filter(([, answers]) => answers.length > 0);

/** The recorded answers of a route, each with the id that its path names. */
function answersOf(
  recording: Recording,
  route: RegExp,
  status = 200,
): readonly (readonly [id: string, json: unknown])[] {
  return exchangesOf(recording).flatMap((exchange) => {
    const path = route.exec(exchange.path);
    return path === null || exchange.method !== 'GET' || exchange.status !== status
      ? []
      : [[path[1] ?? '', exchange.response]];
  });
}

/** An end as one word, or its outputs. */
const ending = (outcome: readonly JobOutput[] | Failure): string =>
  'kind' in outcome
    ? outcome.kind
    : outcome
        .map((output) => `${output.nodeId} ${output.kind} ${isFile(output) ? output.type : output.text}`)
        .join(', ');

describe('the recorded answers', () => {
  test.each(withAnswers(/^\/queue$/))('of /queue in %s are queues', (_, answers) => {
    for (const [, json] of answers) expect(queueOf(json)).toBeDefined();
  });

  test.each(withAnswers(/^\/history\/([^/?]+)$/))('of /history in %s are histories', (_, answers) => {
    for (const [id, json] of answers) expect(historyOf(json, id)).toBeDefined();
  });

  test.each(withAnswers(/^\/api\/jobs\/([^/?]+)$/))('of /api/jobs in %s are jobs', (_, answers) => {
    for (const [, json] of answers) expect(jobOf(json)).toBeDefined();
  });

  test.each(withAnswers(/^\/api\/jobs\/([^/?]+)$/))(
    'of /api/jobs in %s tell the same end as those of /history',
    (name, answers) => {
      const recording = recordings.find((recording) => recording.name === name)!;
      for (const [id, json] of answers) {
        const histories = answersOf(recording, /^\/history\/([^/?]+)$/).filter(([other]) => other === id);
        for (const [, history] of histories) expect(jobOf(json)).toEqual(historyOf(history, id));
      }
    },
  );

  test.each([
    ['cached-rerun', '4 images output'],
    ['two-samplers-two-outputs', '4 images output, 6 images temp'],
    ['subgraph-loop', '4 images output'],
    ['interrupted', 'interrupted'],
    ['cancel-api', 'interrupted'],
    ['out-of-memory', 'out_of_memory'],
    ['node-error', 'node_error'],
  ])('of %s tell that it ended with: %s', (scenario, expected) => {
    const ends = recordings
      .filter((recording) => recording.scenario === scenario)
      .flatMap((recording) => [
        ...answersOf(recording, /^\/history\/([^/?]+)$/).map(([id, json]) => historyOf(json, id)),
        ...answersOf(recording, /^\/api\/jobs\/([^/?]+)$/).map(([, json]) => jobOf(json)),
      ]);
    expect(ends.length).toBeGreaterThan(0);
    for (const end of ends) expect(end?.tag === 'ended' && ending(end.outcome)).toBe(expected);
  });
});

describe('/queue', () => {
  const workflow = {
    '1': { class_type: 'EmptyImage', inputs: {} },
    '2': { class_type: 'SaveImage', inputs: { images: ['1', 0] } },
  };
  const entry = (number: number, id: string) => [number, id, workflow, { client_id: 'c', mark: id }, ['2'], {}];

  test('is read in the order in which it runs', () => {
    const queue = queueOf({
      queue_running: [entry(9, 'a')],
      queue_pending: [entry(12, 'd'), entry(-3, 'b'), entry(10, 'c')],
    });
    expect(queue?.map(({ promptId, running }) => [promptId, running])).toEqual([
      ['a', true],
      ['b', false],
      ['c', false],
      ['d', false],
    ]);
  });

  test('tells each job’s workflow, its outputs and what it was posted with', () => {
    const [job] = queueOf({ queue_running: [entry(9, 'a')], queue_pending: [] }) ?? [];
    expect(job).toMatchObject({ promptId: 'a', targets: ['2'], extraData: { client_id: 'c', mark: 'a' } });
    expect(job?.graph?.get('2')).toMatchObject({ type: 'SaveImage', inputs: ['1'] });
  });

  test('may be empty', () => {
    expect(queueOf({ queue_running: [], queue_pending: [] })).toEqual([]);
  });

  test.each([
    null,
    undefined,
    [],
    {},
    'queue',
    { queue_running: [] },
    { queue_running: {}, queue_pending: [] },
    { exec_info: { queue_remaining: 1 } },
  ])('[R4] that cannot be read is no answer: %j', (json) => {
    expect(queueOf(json)).toBeUndefined();
  });

  test.each([[null], [[]], [[1]], [[1, null, {}, {}, []]], [[1, ['a'], {}, {}, []]], [{ prompt_id: 'a' }]])(
    '[R4] that holds %j may hold any job, so it is no answer',
    (odd) => {
      expect(queueOf({ queue_running: [odd], queue_pending: [entry(1, 'b')] })).toBeUndefined();
    },
  );

  test.each([
    [[1, 'a', null, null, null], 1],
    [[1, 'a'], 1],
    [['1', 'a', 7, 8, 9, 10, 11], 0],
  ])('whose jobs say less, or more, than they might is read as far as it goes: %j', (odd, number) => {
    expect(queueOf({ queue_running: [odd], queue_pending: [] })).toEqual([
      { promptId: 'a', number, running: true, graph: new Map(), nodes: 0, extraData: {} },
    ]);
  });

  test('may have numbers for ids', () => {
    expect(queueOf({ queue_running: [[1, 4711, {}, {}, []]], queue_pending: [] })).toMatchObject([
      { promptId: '4711' },
    ]);
  });
});

describe('/api/jobs', () => {
  const job = (id: string, status: string, priority: number) => ({
    id,
    status,
    priority,
    create_time: 1,
    outputs_count: 0,
  });

  test('is read in the order in which it runs, without workflows', () => {
    const jobs = [job('c', 'pending', 8), job('b', 'pending', 7), job('a', 'in_progress', 9)];
    expect(jobListOf({ jobs, pagination: { offset: 0, total: 3 } })).toEqual([
      { promptId: 'a', number: 9, running: true, nodes: 0, extraData: {} },
      { promptId: 'b', number: 7, running: false, nodes: 0, extraData: {} },
      { promptId: 'c', number: 8, running: false, nodes: 0, extraData: {} },
    ]);
  });

  test('that tells of ended jobs, too, or of states that are not known yet, tells of those in hand', () => {
    const jobs = [job('a', 'completed', 1), job('b', 'in_progress', 2), job('c', 'error', 3), job('d', 'pending', 4)];
    expect(jobListOf({ jobs })?.map(({ promptId }) => promptId)).toEqual(['b', 'd']);
  });

  test.each([null, {}, [], { jobs: {} }, { jobs: [{ status: 'pending' }] }, { jobs: [null] }, { error: 'no' }])(
    '[R4] that cannot be read is no answer: %j',
    (json) => {
      expect(jobListOf(json)).toBeUndefined();
    },
  );

  test.each(['pending', 'in_progress'])('a job that is %s is in hand, with its workflow', (status) => {
    const workflow = { prompt: { '1': { class_type: 'EmptyImage', inputs: {} } }, extra_data: { mark: 1 } };
    expect(jobOf({ ...job('a', status, 3), workflow })).toEqual({
      tag: 'queued',
      job: {
        promptId: 'a',
        number: 3,
        running: status === 'in_progress',
        graph: graphOf({ '1': { class_type: 'EmptyImage' } }),
        nodes: 1,
        extraData: { mark: 1 },
      },
    });
  });

  test('[R4] a job in a state that is not known yet has not ended, as far as that tells', () => {
    expect(jobOf(job('a', 'paused', 1))).toMatchObject({ tag: 'queued', isUnsure: true });
  });

  const file = { filename: 'a.png', subfolder: '', type: 'output' };
  const error = ['execution_error', { prompt_id: 'a', node_id: '2', exception_message: 'No.' }];
  test.each<[string, object, object]>([
    ['success', { status_str: 'success', completed: true, messages: [] }, [{ nodeId: '4', filename: 'a.png' }]],
    ['error', { status_str: 'error', completed: false, messages: [error] }, { kind: 'node_error', message: 'No.' }],
    ['halted', { status_str: 'error', completed: false }, { kind: 'node_error' }],
  ])('a job that is %s has ended where its own history says so', (status, execution_status, outcome) => {
    const said = { ...job('a', status, 1), execution_status, outputs: { '4': { images: [file] } } };
    expect(jobOf(said)).toMatchObject({ tag: 'ended', outcome });
    expect(jobOf(said)).not.toHaveProperty('isUnsure');
  });

  test('a completed job without outputs is completed', () => {
    expect(jobOf(job('a', 'completed', 1))).toEqual({ tag: 'ended', outcome: [] });
  });

  test.each([[2], [undefined]])(
    '[R3] a completed job of %j outputs that names none is told of by history',
    (outputs_count) => {
      expect(jobOf({ ...job('a', 'completed', 1), outputs_count })).toMatchObject({ tag: 'ended', isUnsure: true });
    },
  );

  test('up to 0.8, a job that was interrupted after one of its branches was blocked was interrupted', () => {
    const blocked = { prompt_id: 'a', node_id: '3', exception_type: 'ExecutionBlocked', exception_message: 'No.' };
    const stopped = { prompt_id: 'a', node_id: '2', node_type: 'Slow' };
    const messages = [
      ['execution_error', blocked],
      ['execution_interrupted', stopped],
    ];
    const said = { ...job('a', 'failed', 1), execution_error: blocked, execution_status: { messages } };
    expect(jobOf(said)).toMatchObject({ outcome: { kind: 'interrupted', nodeId: '2' } });
    expect(jobOf({ ...said, execution_status: {} })).toMatchObject({
      outcome: { kind: 'node_error', retryable: false },
    });
    expect(jobOf({ ...said, execution_status: {} })).not.toMatchObject({ outcome: { message: 'No.' } });
  });

  test('a failed job that does not say why is failed', () => {
    expect(jobOf(job('a', 'failed', 1))).toMatchObject({ outcome: { kind: 'node_error', retryable: false } });
  });

  test('a cancelled job without messages was interrupted', () => {
    expect(jobOf(job('a', 'cancelled', 1))).toMatchObject({ outcome: { kind: 'interrupted' } });
  });

  test.each([null, undefined, {}, [], { id: null, status: 'completed' }, { error: 'Job not found' }])(
    '[R4] a job that cannot be read is no answer: %j',
    (json) => {
      expect(jobOf(json)).toBeUndefined();
    },
  );
});

describe('/history', () => {
  const success = { outputs: { '4': { images: [{ filename: 'a.png', subfolder: '', type: 'output' }] } } };

  test('that does not hold the job tells nothing of it', () => {
    expect(historyOf({}, 'p')).toEqual({ tag: 'absent' });
    expect(historyOf({ other: success }, 'p')).toEqual({ tag: 'absent' });
  });

  test.each(['constructor', '__proto__', 'toString'])('does not hold a job that is called %s', (id) => {
    expect(historyOf({}, id)).toEqual({ tag: 'absent' });
  });

  test('without a status is of a server from before there was one: a success', () => {
    expect(historyOf({ p: success }, 'p')).toMatchObject({ tag: 'ended', outcome: [{ nodeId: '4' }] });
    expect(historyOf({ p: { ...success, status: null } }, 'p')).toMatchObject({ outcome: [{ nodeId: '4' }] });
  });

  test('tells a cancel from a failure by its messages, whatever its status says', () => {
    const status = (...messages: unknown[]) => ({
      p: { outputs: {}, status: { status_str: 'error', completed: false, messages } },
    });
    const interrupted = ['execution_interrupted', { prompt_id: 'p', node_id: '2', node_type: 'Slow', executed: [] }];
    const error = ['execution_error', { prompt_id: 'p', node_id: '2', exception_message: 'No.' }];
    const start = ['execution_start', { prompt_id: 'p', timestamp: 1 }];
    expect(historyOf(status(start, interrupted), 'p')).toMatchObject({ outcome: { kind: 'interrupted', nodeId: '2' } });
    expect(historyOf(status(start, error), 'p')).toMatchObject({ outcome: { kind: 'node_error', message: 'No.' } });
    expect(historyOf(status(start, 'odd', null, ['execution_error']), 'p')).toMatchObject({
      outcome: { kind: 'node_error' },
    });
  });

  test('[R13] an error that does not say why shows no more than that', () => {
    expect(historyOf({ p: { outputs: {}, status: { status_str: 'error' } } }, 'p')).toMatchObject({
      outcome: { message: 'The server reports a failure without saying why.' },
    });
  });

  test.each<[object, object]>([
    [{ status_str: 'error' }, { kind: 'node_error' }],
    [{ status_str: 'failed' }, { kind: 'node_error' }],
    [{ status_str: 'halted', completed: false }, { kind: 'node_error' }],
    [{ completed: false, messages: null }, { kind: 'node_error' }],
    [{ status_str: 'cancelled' }, { kind: 'interrupted' }],
    [{ status_str: 'interrupted', completed: false, messages: [] }, { kind: 'interrupted' }],
  ])('whose status is %j tells of a failure, with outputs or without', (status, failure) => {
    for (const outputs of [{}, null, undefined])
      expect(historyOf({ p: { outputs, status } }, 'p')).toMatchObject({ tag: 'ended', outcome: failure });
  });

  test.each<[object]>([
    [{ status_str: 'success', completed: true, messages: null }],
    [{ status_str: 'success', completed: false, messages: [] }],
    [{ status_str: 'done', completed: true }],
    [{ status_str: 'finished' }],
    [{ completed: true }],
    [{}],
  ])('whose status is %j tells of a success', (status) => {
    expect(historyOf({ p: { ...success, status } }, 'p')).toMatchObject({ outcome: [{ nodeId: '4' }] });
  });

  test('whose status contradicts itself is told by its messages', () => {
    const messages = [['execution_error', { prompt_id: 'p', node_id: '2', exception_message: 'No.' }]];
    const of = (completed: boolean) => ({ p: { ...success, status: { status_str: 'success', completed, messages } } });
    expect(historyOf(of(false), 'p')).toMatchObject({ outcome: { kind: 'node_error', message: 'No.' } });
    expect(historyOf(of(true), 'p')).toMatchObject({ outcome: [{ nodeId: '4' }] });
  });

  test('tells why a node failed, however little is said of it', () => {
    const of = (said: unknown) => ({
      p: { outputs: {}, status: { status_str: 'error', messages: [['execution_error', said]] } },
    });
    expect(historyOf(of({ node_id: 2, node_type: 'Odd', exception_message: 'No.' }), 'p')).toMatchObject({
      outcome: { kind: 'node_error', message: 'No.', nodeId: '2', nodeType: 'Odd' },
    });
    expect(historyOf(of({ node_id: {}, exception_message: ['No.'], exception_type: 'ValueError' }), 'p')).toEqual({
      tag: 'ended',
      outcome: { kind: 'node_error', message: 'ValueError', retryable: false },
    });
  });

  test.each([
    null,
    undefined,
    [],
    'history',
    { p: null },
    { p: {} },
    { p: { outputs: [] } },
    { p: { outputs: null } },
    { p: { outputs: null, status: null } },
    { p: { outputs: null, status: { status_str: 'success', completed: true } } },
    { p: { ...success, status: 'ok' } },
  ])('[R4] that cannot be read is no answer: %j', (json) => {
    expect(historyOf(json, 'p')).toBeUndefined();
  });

  test('finds the job that was posted with our mark', () => {
    const posted = (mark: unknown) => ({ ...success, prompt: [1, 'x', {}, { mark }, []] });
    const history = { a: posted('1'), odd: null, b: { ...success, prompt: 'odd' }, c: posted('2') };
    expect(historyIdOf(history, ({ mark }) => mark === '2')).toBe('c');
    expect(historyIdOf(history, ({ mark }) => mark === '3')).toBeUndefined();
    expect(historyIdOf(null, () => true)).toBeUndefined();
  });
});
