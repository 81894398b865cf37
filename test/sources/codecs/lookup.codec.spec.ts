import { historyIdOf, historyOf, jobListOf, jobOf, queueOf } from '../../../sources/codecs/lookup.codec';
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

  test.each([[null], [[]], [[1]], [[1, 'a', {}, {}]], [['1', 'a', {}, {}, []]], [[1, 2, {}, {}, []]]])(
    '[R4] that holds %j may hold any job, so it is no answer',
    (odd) => {
      expect(queueOf({ queue_running: [odd], queue_pending: [entry(1, 'b')] })).toBeUndefined();
    },
  );

  test('whose jobs say less than they might is read as far as it goes', () => {
    expect(queueOf({ queue_running: [[1, 'a', null, null, null]], queue_pending: [] })).toEqual([
      { promptId: 'a', number: 1, running: true, graph: new Map(), nodes: 0, extraData: {} },
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

  test('[R4] a job in a state that is not known yet has not ended', () => {
    expect(jobOf(job('a', 'paused', 1))?.tag).toBe('queued');
  });

  test('a completed job without outputs is completed', () => {
    expect(jobOf(job('a', 'completed', 1))).toEqual({ tag: 'ended', outcome: [] });
  });

  test('a failed job that does not say why is failed', () => {
    expect(jobOf(job('a', 'failed', 1))).toMatchObject({ outcome: { kind: 'node_error', retryable: false } });
  });

  test('a cancelled job without messages was interrupted', () => {
    expect(jobOf(job('a', 'cancelled', 1))).toMatchObject({ outcome: { kind: 'interrupted' } });
  });

  test.each([null, undefined, {}, [], { id: 1, status: 'completed' }, { error: 'Job not found' }])(
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

  test.each([
    null,
    undefined,
    [],
    'history',
    { p: null },
    { p: {} },
    { p: { outputs: [] } },
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
