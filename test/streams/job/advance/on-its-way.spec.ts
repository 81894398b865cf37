import { graphOf } from '../../../../streams/job/workflow';
import { advance, aJob, after, aState, sampling, told, type Fact } from '../a-job';
import { absent, cancelAsked, everyFact, executed, found, started, step, succeeded } from '../facts';

describe('on its way', () => {
  test('a job goes through its phases', () => {
    const facts: Fact[] = [
      found('pending', 1),
      started,
      { tag: 'executing', nodeId: '2' },
      step(1),
      step(2),
      step(10),
      executed('3'),
      succeeded,
    ];
    let job = aJob();
    const phases = facts.map((fact, n) => (job = advance(job, told(fact, 9_000 * n))).state.phase);
    expect(phases).toEqual(['waiting', 'loading', 'loading', 'running', 'running', 'running', 'finishing', 'settled']);
  });

  test('knows its place in the queue only while it waits', () => {
    const waiting = after(aJob(), found('pending', 3));
    expect(waiting.state.queuePosition).toBe(3);
    expect(after(waiting, started).state).not.toHaveProperty('queuePosition');
  });

  test('a look from before the start that comes after it makes nothing wait again', () => {
    const job = after(aJob(), started, step(2), found('pending', 3));
    expect(job.state).toMatchObject({ status: 'processing', phase: 'running' });
    expect(job.state).not.toHaveProperty('queuePosition');
  });

  test('names the node at work, of the workflow', () => {
    expect(after(aJob(), started, step(4)).state.node).toEqual({
      id: '2',
      type: 'Sampler',
      title: 'The sampler',
      value: 4,
      max: 10,
    });
  });

  test('names what the node is once a look brings the workflow', () => {
    const job = after(aJob({ graph: new Map() }), started, step(4));
    expect(job.state.node).toMatchObject({ id: '2', type: '' });
    const { state } = after(job, { tag: 'found', where: 'running', graph: sampling });
    expect(state.node).toMatchObject({ id: '2', type: 'Sampler', title: 'The sampler' });
  });

  test('a node’s steps are told that are too small to move the bar', () => {
    const counting = (value: number): Fact => ({ tag: 'stepped', nodeId: '2', value, max: 100_000 });
    const first = advance(aJob(), told(counting(1), 1));
    const next = advance(first, told(counting(2), 1));
    expect(next.state).toMatchObject({ progress: first.state.progress, node: { value: 2 }, seq: first.state.seq + 1 });
  });

  test('the output nodes that the queue names count, and no others; a look that names others is believed', () => {
    const two = graphOf({
      a: { class_type: 'KSampler', inputs: { steps: 10 } },
      b: { class_type: 'KSampler', inputs: { steps: 10 } },
    });
    const half = (...looks: readonly (readonly string[])[]): number => {
      const named = looks.map((targets): Fact => ({ tag: 'found', where: 'pending', targets }));
      const taken = after(aJob({ graph: two }), ...named);
      const steps = [1, 2, 3, 4, 5].map((n) => told(step(n, 'a'), n * 1_000));
      return steps.reduce((job, event) => advance(job, event), advance(taken, told(started, 10))).state.progress;
    };
    expect(half(['a'])).toBeGreaterThan(1.5 * half(['a', 'b']));
    expect(half(['a', 'b'], ['a'])).toBe(half(['a']));
  });

  test('says how its news comes', () => {
    const polled = after(aJob({ linked: false }), found('running'));
    expect(polled.state.via).toBe('polling');
    expect(after(polled, step(1)).state.via).toBe('websocket');
  });

  test('keeps what was refused of a job that runs in part', () => {
    const nodeErrors = [{ nodeId: '9', message: 'Required input is missing' }];
    const { state } = after(aJob(), { tag: 'accepted', postedAt: 0, nodeErrors }, started);
    expect(state).toMatchObject({ status: 'processing', nodeErrors });
  });

  test.each(everyFact)('$tag twice is $tag once', (fact) => {
    const once = advance(aJob(), told(fact, 1));
    expect(advance(once, told(fact, 1)).state).toBe(once.state);
  });

  test('each change has the next `seq`, and its time never goes back', () => {
    const late = advance(aJob(), told(started, 1_000));
    const { state } = advance(late, told(step(1), 900));
    expect([late.state.seq, state.seq]).toEqual([2, 3]);
    expect(state.updatedAt).toBe(1_000);
  });

  test('keeps what a newer version stored with it', () => {
    const state = { ...aState(), colour: 'red' };
    const { state: end } = after(aJob({ state }), started, step(1), succeeded, { tag: 'ended', outcome: [] });
    expect(end).toMatchObject({ status: 'completed', colour: 'red' });
  });

  test('keeps what is not its own', () => {
    const state = aState({ characterId: 'k', metadata: { mine: true }, attempt: 3, epoch: 7 });
    const { state: end } = after(aJob({ state }), started, step(1), succeeded, { tag: 'ended', outcome: [] });
    expect(end).toMatchObject({ characterId: 'k', metadata: { mine: true }, attempt: 3, epoch: 7, userId: 'u' });
  });
});

describe('when it began', () => {
  test('is its first frame, or ComfyUI’s own word where that is earlier', () => {
    const heard = advance(advance(aJob(), told(started, 500)), told(step(1), 900));
    expect(heard.state.executionStartedAt).toBe(500);
    const ended = (startedAt: number): Fact => ({ tag: 'ended', outcome: [], startedAt });
    expect(advance(heard, told(ended(300), 1_000)).state.executionStartedAt).toBe(300);
    expect(advance(heard, told(ended(700), 1_000)).state.executionStartedAt).toBe(500);
    // A clock that is wrong: not before it was submitted, not after its end.
    expect(advance(aJob(), told(ended(-5), 1_000)).state.executionStartedAt).toBe(0);
    expect(advance(aJob(), told(ended(9_999), 1_000)).state.executionStartedAt).toBe(1_000);
  });

  test('is not told of a job that was cancelled while it waited', () => {
    const { state } = after(aJob(), found('pending'), cancelAsked, absent);
    expect(state.failure).toMatchObject({ kind: 'cancelled', message: 'Cancelled on request, before it ran.' });
    expect(state.executionStartedAt).toBeUndefined();
  });
});
