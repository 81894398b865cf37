import { jobListOf, jobOf } from '../../../../sources/codecs/jobs.codec';
import { graphOf } from '../../../../streams/job/workflow';

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
