import { noVersions } from '../../../../streams/maps/versions';
import { bounds } from '../../../../streams/bounds';
import { nextLookAtOf, type Job } from '../../../../streams/job/job';
import type { Failure } from '../../../../streams/job/job-state';
import { defaultTiming as timing } from '../../../../streams/job/timing';
import { graphOf } from '../../../../streams/job/workflow';
import {
  advance,
  aFailure,
  aFile,
  aJob,
  aPosting,
  after,
  knowing,
  anOutput,
  aState,
  finished,
  running,
  sampling,
  told,
  type Fact,
} from '../a-job';

const started: Fact = { tag: 'started' };
const succeeded: Fact = { tag: 'succeeded' };
const absent: Fact = { tag: 'absent' };
const step = (value: number, nodeId = '2'): Fact => ({ tag: 'stepped', nodeId, value, max: 10 });
const executed = (nodeId: string): Fact => ({ tag: 'executed', nodeId, outputs: [anOutput(nodeId)] });
const snapshot = (...nodes: ReturnType<typeof running>[]): Fact => ({ tag: 'snapshot', nodes });
const broke = (kind: Failure['kind']): Fact => ({ tag: 'broke', failure: aFailure(kind, '2') });
const found = (where: 'pending' | 'running', ahead?: number): Fact => ({
  tag: 'found',
  where,
  ...(ahead !== undefined && { ahead }),
});

/** Absences at the times given. */
const absences = (job: Job, ...times: readonly number[]): Job =>
  times.reduce((job, at) => advance(job, told(absent, at)), job);

const everyFact: readonly Fact[] = [
  started,
  { tag: 'cached', nodeIds: ['1'] },
  { tag: 'executing', nodeId: '2' },
  step(3),
  snapshot(running('2', 4, 10)),
  executed('3'),
  succeeded,
  broke('node_error'),
  found('pending', 3),
  found('running'),
  { tag: 'ended', outcome: [anOutput('3', 'other.png')] },
  { tag: 'ended', outcome: aFailure('interrupted') },
  absent,
  { tag: 'accepted', postedAt: 1, nodeErrors: [] },
  { tag: 'refused', failure: aFailure('rejected') },
  { tag: 'cancelAsked' },
];

describe.each([
  ['completed', after(aJob(), started, executed('3'), succeeded)],
  ['failed', after(aJob(), started, broke('node_error'))],
  ['lost', absences(aJob(), 0, 5_100, 10_200)],
])('a job that has %s', (_, settled) => {
  test.each(everyFact)('[R1] is not changed by $tag', (fact) => {
    expect(advance(settled, told(fact, 99_999))).toBe(settled);
  });
});

describe('progress', () => {
  const shares = (job: Job, ...facts: readonly Fact[]): number[] =>
    facts.map((fact, index) => (job = advance(job, told(fact, 1_000 * index))).state.progress);

  const rises = (values: readonly number[]): void =>
    values.forEach((value, n) => expect(value).toBeGreaterThanOrEqual(values[n - 1] ?? 0));

  test('[R2] does not fall when a node counts from the start again', () => {
    rises(shares(aJob(), started, step(3), step(7), step(1), step(6)));
  });

  test('[R2] does not fall when a node turns out to have more steps than it declared', () => {
    rises(shares(aJob(), started, step(8), step(9), { tag: 'stepped', nodeId: '2', value: 10, max: 1_000 }));
  });

  test('[R2] does not fall when a look brings a larger workflow', () => {
    const small = aJob({ graph: graphOf({ '2': { class_type: 'Sampler', inputs: { steps: 10 } } }) });
    rises(shares(small, started, step(9), { tag: 'found', where: 'running', graph: sampling }, step(10)));
  });

  test('[R2] stays under 100 when all is done but the end has not been told', () => {
    const all = shares(aJob(), started, snapshot(finished('1'), finished('2', 10, 10), finished('3')), executed('3'), {
      tag: 'ticked',
    });
    expect(all.at(-1)).toBeGreaterThan(90);
    expect(all.at(-1)).toBeLessThan(100);
  });

  test('[R2] is 100 once completed, however little was seen', () => {
    expect(after(aJob(), { tag: 'ended', outcome: [] }).state).toMatchObject({ status: 'completed', progress: 100 });
  });

  test('[R2] of a failed job stays where it was', () => {
    const job = after(aJob(), started, step(5));
    expect(advance(job, told(broke('node_error'))).state.progress).toBe(job.state.progress);
  });

  test('[R2] has one decimal at most', () => {
    const thirds = shares(aJob(), ...Array.from({ length: 10 }, (_, index) => step(index + 1)));
    for (const share of thirds) expect(share).toBe(Number(share.toFixed(1)));
    expect(new Set(thirds).size).toBe(10);
  });

  test.each([
    [Number.NaN, 10],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    [5, Number.NaN],
    [-5, -10],
    [5, 0],
    [1e308, 1e308],
  ])('[R2] is a number when a node claims step %p of %p', (value, max) => {
    const job = after(aJob(), { tag: 'stepped', nodeId: '1', value, max }, { tag: 'stepped', nodeId: '2', value, max });
    expect(job.state.progress).toBeGreaterThanOrEqual(0);
    expect(job.state.progress).toBeLessThanOrEqual(99);
  });
});

describe('the good end', () => {
  test('[R3, R16] of which frames told more than a run holds is had from history, and so much is held', () => {
    const outputs = Array.from({ length: 2_000 }, (_, n) => anOutput('3', `${n}${'x'.repeat(400)}.png`));
    const floods = Array.from({ length: 4 }, (_, n): Fact => ({ tag: 'executed', nodeId: `${n}`, outputs }));
    const flooded = after(aJob(), started, ...floods);
    const held = 'outputs' in flooded.stage ? [...flooded.stage.outputs.entries()].flatMap(([, given]) => given) : [];
    expect(JSON.stringify(held).length).toBeLessThan(2 * bounds.heldOutputsBytes);
    expect(after(flooded, succeeded).stage.tag).toBe('fetchingOutputs');
    // A node without outputs counts as 100 bytes beside its id: 1,000.
    const ids = Array.from({ length: 2_000 }, (_, n) => `${n}`.padStart(900, '0'));
    const nothings = ids.map((nodeId): Fact => ({ tag: 'executed', nodeId, outputs: [] }));
    const emptied = after(aJob(), started, ...nothings);
    expect('outputs' in emptied.stage && emptied.stage.outputs.size()).toBeLessThan(bounds.heldOutputsBytes / 1_000);
  });

  test('[R3, R16] told again by the same node, outputs are held once and stay the whole of it', () => {
    const outputs = [anOutput('3', 'x'.repeat(0.6 * bounds.heldOutputsBytes))];
    const told: Fact = { tag: 'executed', nodeId: '3', outputs };
    expect(after(aJob(), started, told, told, succeeded).state.status).toBe('completed');
  });

  test('[R16] shows no node under an id that is longer than a workflow’s', () => {
    const shows = (id: string) => after(aJob(), started, snapshot(running(id, 1, 2))).state.node?.id;
    expect([shows('9'.repeat(200)), shows('9'.repeat(201))]).toEqual(['9'.repeat(200), undefined]);
  });

  test('[R3] is not the first `executed`', () => {
    expect(after(aJob(), started, executed('3')).state.status).toBe('processing');
  });

  test('[R3] comes with the outputs of the frames where none was missed', () => {
    const { state } = after(aJob(), started, executed('3'), succeeded);
    expect(state).toMatchObject({
      status: 'completed',
      phase: 'settled',
      progress: 100,
      outputs: [anOutput('3')],
      finishedAt: 2,
    });
  });

  test('[R3] waits for history where frames were missed, and looks there at once', () => {
    const job = after(aJob(), executed('3'), succeeded);
    expect(job.state).toMatchObject({ status: 'processing', phase: 'finishing' });
    expect(job.state.outputs).toBeUndefined();
    expect(nextLookAtOf(job)).toBe(1);
    const outcome = [anOutput('3'), anOutput('4')];
    expect(advance(job, told({ tag: 'ended', outcome }, 2)).state).toMatchObject({
      status: 'completed',
      outputs: outcome,
    });
  });

  test('[R3] is looked for again until history is written: after a success the queue proves nothing', () => {
    const job = after(aJob(), succeeded);
    const again = advance(job, told(found('running'), 100));
    expect(again.state.status).toBe('processing');
    expect(nextLookAtOf(again)).toBe(100 + timing.soonMs);
    expect(nextLookAtOf(advance(job, told(absent, 100)))).toBe(100 + timing.soonMs);
  });

  test('[R3] is not put off by frames that follow a success', () => {
    expect(nextLookAtOf(after(aJob(), succeeded, step(10)))).toBe(0);
  });

  test('[R3] has its outputs in one order, whoever told of them', () => {
    const { state: fromFrames } = after(aJob(), started, executed('10'), executed('9'), executed('2:1'), succeeded);
    const { state: fromHistory } = after(aJob(), {
      tag: 'ended',
      outcome: [anOutput('2:1'), anOutput('9'), anOutput('10')],
    });
    expect(fromFrames.outputs).toEqual(fromHistory.outputs);
    expect(fromFrames.outputs?.map(({ nodeId }) => nodeId)).toEqual(['2:1', '9', '10']);
  });

  test('[R3] keeps the order of one node’s files', () => {
    const outputs = [anOutput('3', 'b.png'), anOutput('3', 'a.png')];
    expect(after(aJob(), started, { tag: 'executed', nodeId: '3', outputs }, succeeded).state.outputs).toEqual(outputs);
  });

  test('[R3] counts an output node once, however often it is told', () => {
    expect(after(aJob(), started, executed('3'), executed('3'), succeeded).state.outputs).toEqual([anOutput('3')]);
  });
});

describe('a job that is found nowhere', () => {
  test('[R4] is lost after three good looks over ten seconds', () => {
    const { state } = absences(aJob(), 0, 5_100, 10_200);
    expect(state).toMatchObject({
      status: 'failed',
      phase: 'settled',
      failure: { kind: 'lost', retryable: true },
      finishedAt: 10_200,
    });
  });

  test('[R4] is not lost after two looks, however far apart', () => {
    expect(absences(aJob(), 0, 3_600_000).state.status).toBe('queued');
  });

  test('[R4] is not lost after many looks within ten seconds', () => {
    expect(absences(aJob(), 0, 100, 200, 300, 9_999).state.status).toBe('queued');
  });

  test('[R4] is not lost by a look that a slow server answered after ten seconds, but was asked for within them', () => {
    const job = absences(aJob(), 0, 5_100);
    const late = advance(job, told({ tag: 'absent', askedAt: 9_900 }, 15_000));
    expect(late.state.status).toBe('queued');
    expect(advance(late, told({ tag: 'absent', askedAt: 20_100 }, 20_200)).state.failure?.kind).toBe('lost');
  });

  test('[R4] is lost ten seconds after the clock was set back', () => {
    const job = absences(aJob(), 3_600_000, 0, 5_100);
    expect(job.state.status).toBe('queued');
    expect(absences(job, 10_200).state.failure?.kind).toBe('lost');
  });

  test('[R4] is looked for as often as it takes', () => {
    expect(nextLookAtOf(absences(aJob(), 0))).toBe(timing.suspectMs);
    expect(2 * timing.suspectMs).toBeGreaterThanOrEqual(timing.lostAfterMs);
  });

  test.each<Fact>([step(1), found('running'), found('pending'), started])(
    '[R4] is not lost where $tag came between',
    (fact) => {
      const between = advance(absences(aJob(), 0, 5_100), told(fact, 6_000));
      expect(absences(between, 10_200, 15_300).state.status).not.toBe('failed');
      expect(absences(between, 10_200, 15_300, 20_400).state.failure?.kind).toBe('lost');
    },
  );

  test('[R4] is not lost before ComfyUI took it', () => {
    const posted = aPosting();
    expect(absences(posted, 0, 5_100, 10_200)).toBe(posted);
  });

  test('[R4] is cancelled after one look where we asked for that', () => {
    const { state } = absences(after(aJob(), { tag: 'cancelAsked' }), 1);
    expect(state).toMatchObject({ status: 'failed', failure: { kind: 'cancelled', retryable: false } });
  });

  test('[R4] is not cancelled after it succeeded', () => {
    expect(absences(after(aJob(), { tag: 'cancelAsked' }, succeeded), 1).state.status).toBe('processing');
  });

  test('[R4] is missing its outputs where it succeeded', () => {
    const job = after(aJob(), succeeded);
    expect(absences(job, 1, 751).state.status).toBe('processing');
    expect(absences(job, 1, 751, 10_001).state.failure?.kind).toBe('missing_output');
  });

  test('[R4] is completed where history turns up after all', () => {
    const job = absences(aJob(), 0, 5_100);
    expect(advance(job, told({ tag: 'ended', outcome: [] }, 10_200)).state.status).toBe('completed');
  });
});

describe('when it is looked at next', () => {
  const at = 500;
  const next = (job: Job, fact: Fact): number => nextLookAtOf(advance(job, told(fact, at))) - at;

  test('[R8] a frame puts the look off to the slow audit', () => {
    expect(next(aJob(), step(1))).toBe(timing.auditMs);
  });
  test('[R8] a frame of a job without a socket of its own does not', () => {
    expect(next(aJob({ linked: false }), step(1))).toBe(timing.pollMs);
  });
  test.each(['pending', 'running'] as const)('[R8] found %s, it is audited or polled', (where) => {
    expect(next(aJob(), found(where))).toBe(timing.auditMs);
    expect(next(aJob({ linked: false }), found(where))).toBe(timing.pollMs);
  });
  test('[R8] accepted, it is audited or polled', () => {
    expect(next(aPosting(), { tag: 'accepted', postedAt: 0 })).toBe(timing.auditMs);
    expect(next(aPosting({ linked: false }), { tag: 'accepted', postedAt: 0 })).toBe(timing.pollMs);
  });
  test('[R8] in no history yet, or unanswered, it is asked for again as often as before', () => {
    expect(next(aJob(), { tag: 'unended' })).toBe(timing.auditMs);
    expect(next(aJob({ linked: false }), { tag: 'unended' })).toBe(timing.pollMs);
    expect(next(aJob(), { tag: 'unanswered' })).toBe(timing.pollMs);
  });
  test('cancelled by us, soon', () => {
    expect(next(knowing(aJob(), { nextLookAt: 99_999 }), { tag: 'cancelAsked' })).toBe(timing.soonMs);
  });
  test('cancelled by us before ComfyUI took it, only once it did', () => {
    const asked = advance(aPosting(), told({ tag: 'cancelAsked' }));
    expect(nextLookAtOf(asked)).toBe(Number.POSITIVE_INFINITY);
    expect(next(asked, { tag: 'accepted', postedAt: 0 })).toBe(timing.soonMs);
  });
});

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
    const { state } = after(aJob(), started, { tag: 'cancelAsked' }, broke('interrupted'));
    expect(state.failure).toMatchObject({ kind: 'cancelled', nodeId: '2', retryable: false });
  });

  test('of an interrupt that history tells of likewise', () => {
    const ended: Fact = { tag: 'ended', outcome: aFailure('interrupted') };
    expect(after(aJob(), { tag: 'cancelAsked' }, ended).state.failure?.kind).toBe('cancelled');
    expect(after(aJob(), ended).state.failure?.kind).toBe('interrupted');
  });

  test('of a node stays one although a cancel was asked for', () => {
    expect(after(aJob(), { tag: 'cancelAsked' }, broke('node_error')).state.failure?.kind).toBe('node_error');
  });

  test('leaves no node, no place in the queue and no estimate behind', () => {
    const { state } = after(aJob(), found('pending', 2), started, step(5), broke('node_error'));
    expect(state).not.toHaveProperty('node');
    expect(state).not.toHaveProperty('queuePosition');
    expect(state).not.toHaveProperty('etaMs');
  });
});

describe('a job that may run again', () => {
  const retry = { maxAttempts: 2, onLost: 'resubmit' as const };
  const mayRunAgain = aJob({ state: aState({ retry }) });
  const posting: Fact = { tag: 'posting', runId: 'r2', clientId: 'd', serverUrl: 'http://elsewhere' };
  const outOfMemory = broke('out_of_memory');

  test('waits for its next run when the last ran out of memory', () => {
    const job = after(mayRunAgain, started, step(5), outOfMemory);
    expect(job.state).toMatchObject({ status: 'queued', phase: 'waiting', attempt: 2 });
    expect(job.state).not.toHaveProperty('failure');
    expect(job.state).not.toHaveProperty('node');
    expect(job.stage).toMatchObject({ tag: 'betweenRuns', failure: { kind: 'out_of_memory' } });
    expect(nextLookAtOf(job)).toBe(Number.POSITIVE_INFINITY);
  });

  test('[R4] waits for its next run when the last was lost, where it may', () => {
    expect(absences(mayRunAgain, 0, 5_100, 10_200).state).toMatchObject({ status: 'queued', attempt: 2 });
    const mayNot = aJob({ state: aState({ retry: { maxAttempts: 2 } }) });
    expect(absences(mayNot, 0, 5_100, 10_200).state.failure?.kind).toBe('lost');
  });

  test.each(['node_error', 'interrupted'] as const)('is not run again after %s', (kind) => {
    expect(after(mayRunAgain, broke(kind)).state).toMatchObject({ status: 'failed', failure: { kind } });
  });

  test('[R10] is not run again once it was refused', () => {
    const job = after(mayRunAgain, { tag: 'refused', failure: aFailure('rejected') });
    expect(job.state).toMatchObject({ status: 'failed', attempt: 1 });
  });

  test('is not run again more often than it may', () => {
    const second = after(mayRunAgain, outOfMemory, posting, { tag: 'accepted', postedAt: 1 }, started);
    expect(second.state).toMatchObject({ status: 'processing', attempt: 2, runId: 'r2', clientId: 'd' });
    expect(after(second, outOfMemory).state).toMatchObject({ status: 'failed', failure: { kind: 'out_of_memory' } });
  });

  test('is not run again once a cancel was asked for, before the end or after', () => {
    const before = after(mayRunAgain, { tag: 'cancelAsked' }, outOfMemory);
    expect(before.state).toMatchObject({ status: 'failed', failure: { kind: 'out_of_memory' } });
    const later = after(mayRunAgain, outOfMemory, { tag: 'cancelAsked' });
    expect(later.state).toMatchObject({ status: 'failed', failure: { kind: 'cancelled' } });
  });

  test('[R2] does not fall back while it starts from the first', () => {
    const first = after(mayRunAgain, started, step(8));
    const second = after(first, outOfMemory, posting, started, step(1));
    expect(second.state.progress).toBeGreaterThanOrEqual(first.state.progress);
  });

  test.each<Fact>([step(9), succeeded, { tag: 'ended', outcome: [] }, absent, found('running'), started])(
    '[R3] between two runs $tag says nothing',
    (fact) => {
      const between = after(mayRunAgain, started, executed('3'), outOfMemory);
      expect(advance(between, told(fact, 99))).toBe(between);
    },
  );

  test('[R3] takes no outputs over from the run before', () => {
    const second = after(mayRunAgain, started, executed('3'), outOfMemory, posting, started, executed('4'), succeeded);
    expect(second.state.outputs).toEqual([anOutput('4')]);
  });

  test('of a server that stays away is run elsewhere, where it may', () => {
    expect(after(mayRunAgain, started, { tag: 'abandoned' })).toMatchObject({
      state: { status: 'queued', attempt: 2 },
      stage: { tag: 'betweenRuns', failure: { kind: 'lost' } },
    });
    const once = after(aJob(), started);
    expect(advance(once, told({ tag: 'abandoned' }))).toBe(once);
  });
});

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

describe('a job that runs on unheard', () => {
  /** Two of its ten steps came in four seconds, then its socket was lost. */
  const unheard = (): Job => {
    const heard = [told(started, 1_000), told(step(1), 3_000), told(step(2), 5_000)];
    return { ...heard.reduce((job, event) => advance(job, event), aJob()), linked: false };
  };
  const tick = (job: Job, at: number): Job => advance(job, told({ tag: 'ticked' }, at));

  test('[R2] goes on by the clock, and never to its end', () => {
    const shown = [6_000, 9_000, 13_000, 20_000, 40_000];
    let job = unheard();
    const values = shown.map((at) => (job = tick(job, at)).state.progress);
    values.forEach((value, n) => expect(value).toBeGreaterThan(values[n - 1] ?? unheard().state.progress));
    expect(values.at(-1)).toBeLessThan(100);
  });

  test('has what is left of it told once its pace was seen, and not before', () => {
    expect(advance(aJob(), told(started, 1_000)).state.etaMs).toBeUndefined();
    expect(unheard().state.etaMs).toBeGreaterThan(10_000);
  });

  test('has what is left of it told in whole ms', () => {
    const { etaMs } = tick(unheard(), 5_333).state;
    expect(etaMs).toBe(Math.round(etaMs!));
  });

  test('[R1] and has ended is not gone on with', () => {
    const end = advance(unheard(), told(succeeded, 6_000));
    expect(tick(end, 9_000)).toBe(end);
  });
});

describe('an answer about a job that cannot be read', () => {
  const unreadable: Fact = { tag: 'unreadable' };
  const read = (job: Job, ...times: readonly number[]): Job =>
    times.reduce((job, at) => advance(job, told(unreadable, at)), job);

  test('[R4] ends it after three looks over ten seconds, and no sooner', () => {
    expect(read(aJob(), 0, 1, 2, 3).state.status).not.toBe('failed');
    expect(read(aJob(), 0, 20_000).state.status).not.toBe('failed');
    expect(read(aJob(), 0, 5_100, 10_200).state).toMatchObject({
      status: 'failed',
      failure: { kind: 'missing_output', message: 'The server answers, but its answer about this job cannot be read.' },
    });
  });

  test('[R4] is none that finds it nowhere: what was counted of those begins anew', () => {
    const missed = (job: Job, ...times: readonly number[]): Job =>
      times.reduce((job, at) => advance(job, told(absent, at)), job);
    expect(missed(read(missed(aJob(), 0), 5_100), 10_200, 15_300).state.status).not.toBe('failed');
    expect(missed(read(missed(aJob(), 0), 5_100), 10_200, 15_300, 20_400).state.failure?.kind).toBe('lost');
  });

  test('is a success without its outputs where success was heard, and keeps those that frames named', () => {
    const job = after(aJob(), { tag: 'executed', nodeId: '3', outputs: [anOutput('3')] }, { tag: 'succeeded' });
    expect(read(job, 10, 5_100, 10_200).state).toMatchObject({
      status: 'failed',
      failure: { kind: 'missing_output', message: expect.stringContaining('reported success') as string },
      outputs: [anOutput('3')],
    });
  });

  test('counts from the start again once anything else is heard of it', () => {
    for (const news of [step(1), found('running'), { tag: 'unended' } as const]) {
      const job = advance(read(aJob(), 0, 5_100), told(news, 6_000));
      expect(read(job, 10_200, 15_300).state.status).not.toBe('failed');
    }
  });

  test('never runs it twice by accident', () => {
    const state = { ...aJob().state, retry: { maxAttempts: 3, onLost: 'resubmit' as const } };
    expect(read(aJob({ state }), 0, 5_100, 10_200)).toMatchObject({ state: { status: 'failed', attempt: 1 } });
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
    const { state } = after(aJob(), found('pending'), { tag: 'cancelAsked' }, absent);
    expect(state.failure).toMatchObject({ kind: 'cancelled', message: 'Cancelled on request, before it ran.' });
    expect(state.executionStartedAt).toBeUndefined();
  });
});

describe('what a state holds', () => {
  test('[R16] is bounded, whatever a server names', () => {
    const outputs = Array.from({ length: 200_000 }, (_, n) => anOutput('3', `${'x'.repeat(400)}${n}.png`));
    const { state } = after(aJob(), { tag: 'ended', outcome: outputs });
    expect(state.status).toBe('completed');
    expect(state.outputs!.length).toBeGreaterThan(100);
    expect(JSON.stringify(state).length).toBeLessThan(1 << 20);
  });

  test('is told under the nodes of the workflow itself', () => {
    const { state } = after(aJob(), { tag: 'ended', outcome: [anOutput('3.0.0.2'), anOutput('2')] });
    expect(state.outputs?.map(({ nodeId }) => nodeId)).toEqual(['2', '3']);
  });

  test('is told so where only the look at its end brings the workflow', () => {
    const ended: Fact = { tag: 'ended', outcome: [anOutput('3.0.0.2')], graph: sampling };
    expect(after(aJob({ graph: new Map() }), ended).state.outputs?.map(({ nodeId }) => nodeId)).toEqual(['3']);
  });

  test('of an end that a look sees before the post was answered are its outputs', () => {
    const ended: Fact = { tag: 'ended', outcome: [anOutput('3')] };
    expect(after(aPosting(), ended).state).toMatchObject({ status: 'completed', outputs: [anOutput('3')] });
  });

  test('of pictures that came over the socket is each of them, once, whichever is sent again', () => {
    const pictured = (filename: string): Fact => ({ tag: 'pictured', output: aFile('3', filename), bytes: 9 });
    const { state, stage } = after(aJob(), started, pictured('a.png'), pictured('b.png'), pictured('a.png'));
    expect(state.pictures?.map(({ filename }) => filename)).toEqual(['a.png', 'b.png']);
    expect(stage).toMatchObject({ pictureBytes: 18 });
  });

  test('of a failure are the outputs that were finished before it', () => {
    const { state } = after(
      aJob(),
      started,
      { tag: 'executed', nodeId: '3', outputs: [anOutput('3')] },
      { tag: 'broke', failure: aFailure('node_error', '2') },
    );
    expect(state).toMatchObject({ status: 'failed', outputs: [anOutput('3')] });
  });
});

describe('the stage of a job', () => {
  const posting: Fact = { tag: 'posting', runId: 'r2', clientId: 'c2', serverUrl: 'http://elsewhere' };
  const between = after(aJob({ state: aState({ retry: { maxAttempts: 3 } }) }), started, broke('out_of_memory'));

  test.each<[Job['stage']['tag'], Job]>([
    ['posting', aPosting()],
    ['posting', advance(between, told(posting, 1))],
    ['watched', after(aPosting(), { tag: 'accepted', postedAt: 0 })],
    ['watched', after(aPosting(), started)],
    ['watched', after(aPosting(), found('pending'))],
    ['fetchingOutputs', after(aPosting(), succeeded)],
    ['betweenRuns', between],
    ['settled', after(aPosting(), { tag: 'refused', failure: aFailure('rejected') })],
    ['settled', after(aJob(), started, executed('3'), succeeded)],
  ])('%s', (tag, job) => {
    expect(job.stage.tag).toBe(tag);
  });

  test('keeps a cancel that was asked for before ComfyUI took the run', () => {
    const asked = after(aPosting(), { tag: 'cancelAsked' }, started);
    expect(asked.stage).toMatchObject({ tag: 'watched', cancelAsked: true, whole: true });
    expect(advance(asked, told(broke('interrupted'), 9)).state.failure?.kind).toBe('cancelled');
  });

  test.each([aPosting(), after(aJob(), started)])('keeps when a cancel was asked for first', (job) => {
    const twice = [5, 9].reduce((job, at) => advance(job, told({ tag: 'cancelAsked' }, at)), job);
    expect(twice.state.cancelAskedAt).toBe(5);
  });

  test('begins anew with the next run: nothing of the last one is left', () => {
    const next = after(between, posting, { tag: 'accepted', postedAt: 0 });
    expect(next.stage).toMatchObject({ run: undefined, whole: false, heardAt: 0, absences: { count: 0 } });
    expect(next.stage).toMatchObject({ outputs: noVersions, pictures: [], pictureBytes: 0, targets: undefined });
  });

  test.each([aPosting(), after(aJob(), started), after(aJob(), succeeded)])(
    'is not changed by a post of the next run before the last one failed',
    (job) => {
      expect(advance(job, told(posting, 9))).toBe(job);
    },
  );

  test('[R3] waits for history, whatever comes from the start of the run after its success', () => {
    const late = after(aJob(), succeeded, started, executed('3'), succeeded);
    expect(late.stage.tag).toBe('fetchingOutputs');
    expect(late.state.status).toBe('processing');
  });

  test.each<Fact>([{ tag: 'unended' }, { tag: 'unanswered' }, { tag: 'unreadable' }, absent])(
    'is not changed by $tag before ComfyUI took the run',
    (fact) => {
      const job = aPosting();
      expect(advance(job, told(fact, 9))).toBe(job);
    },
  );
});
