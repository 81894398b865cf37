import { aFailure, aJob, aPosting, after } from '../../a-job';
import { broke, cancelAsked, ended, found, started, step } from '../../facts';

describe('a failure', () => {
  test('[R10] of validation is told at once, by node', () => {
    const nodeErrors = [{ nodeId: '2', nodeType: 'Sampler', input: 'steps', message: 'Value too large' }];
    const { state } = after(aPosting(), {
      tag: 'refused',
      failure: aFailure('rejected', '2'),
      nodeErrors,
    });
    expect(state).toMatchObject({
      status: 'failed',
      failure: { kind: 'rejected', nodeId: '2' },
      nodeErrors,
      progress: 0,
    });
  });

  test('of an interrupt that we asked for is a cancel, at the node where it was', () => {
    const { state } = after(aJob(), started, cancelAsked, broke('interrupted'));
    expect(state.failure).toMatchObject({ kind: 'cancelled', nodeId: '2', retryable: false });
  });

  test('of an interrupt that history tells of likewise', () => {
    expect(after(aJob(), cancelAsked, ended('interrupted')).state.failure?.kind).toBe('cancelled');
    expect(after(aJob(), ended('interrupted')).state.failure?.kind).toBe('interrupted');
  });

  test('of a node stays one although a cancel was asked for', () => {
    expect(after(aJob(), cancelAsked, broke('node_error')).state.failure?.kind).toBe('node_error');
  });

  test('leaves no node, no place in the queue and no estimate behind', () => {
    const { state } = after(aJob(), found('pending', 2), started, step(5), broke('node_error'));
    expect(state).not.toHaveProperty('node');
    expect(state).not.toHaveProperty('queuePosition');
    expect(state).not.toHaveProperty('etaMs');
  });
});
