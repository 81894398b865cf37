import fc from 'fast-check';
import { from } from 'rxjs';
import { jobBoard, type BoardEvent, type Change } from '../../../../streams/board/board';
import { jobOf } from '../../../../streams/job/job';
import {
  isSettled,
  runIdOf,
  type FailureKind,
  type JobState,
  type RetryPolicy,
} from '../../../../streams/job/job-state';
import { neverBackward } from '../../../../streams/operators/never-backward';
import { defaultTiming as timing } from '../../../../streams/job/timing';
import { aFailure, anOutput, aState, sampling, type Fact } from '../a-job';
import { anyFact } from '../arbitrary-events';
import { runs } from '../../../support/jest/runs';

const SERVER = 'http://comfyui';
const ELSEWHERE = 'http://elsewhere';

const started: Fact = { tag: 'started' };
const step = (value: number): Fact => ({ tag: 'stepped', nodeId: '2', value, max: 10 });
const executed: Fact = { tag: 'executed', nodeId: '3', outputs: [anOutput('3')] };
const succeeded: Fact = { tag: 'succeeded' };
const absent: Fact = { tag: 'absent' };
const foundRunning: Fact = { tag: 'found', where: 'running' };
const broke = (kind: FailureKind): Fact => ({ tag: 'broke', failure: aFailure(kind) });
const ended = (kind: FailureKind): Fact => ({ tag: 'ended', outcome: aFailure(kind) });
const refused = (kind: FailureKind): Fact => ({ tag: 'refused', failure: aFailure(kind) });
const accepted: Fact = { tag: 'accepted', postedAt: 0 };
const cancelAsked: Fact = { tag: 'cancelAsked' };
const abandoned: Fact = { tag: 'abandoned' };
const posting = (runId: string, clientId = 'c', serverUrl = SERVER): Fact => ({
  tag: 'posting',
  runId,
  clientId,
  serverUrl,
});

/** A board with the job `p`, taken by ComfyUI, its socket open; facts come a millisecond apart, by the run's id. */
function aRetried(retry: RetryPolicy | undefined, more: Partial<JobState> = {}) {
  const board = jobBoard(timing);
  const changes: Change[] = [];
  let at = 0;
  const take = (event: BoardEvent): readonly Change[] => {
    const told = board.take(event);
    changes.push(...told);
    return told;
  };
  const state = aState({ ...(retry !== undefined && { retry }), ...more });
  take({ tag: 'linked', clientId: 'c', at });
  take({ tag: 'opened', job: jobOf(state, { graph: sampling, accepted: true }) });
  const told = (id: string, ...facts: readonly Fact[]): readonly Change[] =>
    facts.flatMap((fact) => take({ promptId: id, at: (at += 1), ...fact }));
  const states = (): readonly JobState[] => changes.flatMap((each) => (each.tag === 'state' ? [each.state] : []));
  return {
    board,
    take,
    told,
    states,
    later: (ms: number) => (at += ms),
    last: () => states().at(-1)!,
    reruns: () => changes.flatMap((each) => (each.tag === 'runAgain' ? [each.failure.kind] : [])),
    /** Three good looks over more than ten seconds find it nowhere. */
    lose: (id: string) => {
      for (let look = 0; look < 3; look++) {
        at += timing.suspectMs;
        told(id, absent);
      }
    },
  };
}

const three: RetryPolicy = { maxAttempts: 3 };
const resubmit: RetryPolicy = { maxAttempts: 3, onLost: 'resubmit' };

describe('a run that failed and may be repeated', () => {
  test.each([
    ['a frame', broke('out_of_memory')],
    ['its history', ended('out_of_memory')],
  ])('[R2] out of memory, as %s says, is queued again: one attempt on, its progress kept', (_who, fact) => {
    const { told, last, reruns } = aRetried(three);
    told('p', started, step(6));
    const { progress } = last();
    expect(progress).toBeGreaterThan(0);
    told('p', fact);
    expect(last()).toMatchObject({ status: 'queued', phase: 'waiting', attempt: 2, progress, epoch: 0 });
    expect(reruns()).toEqual(['out_of_memory']);
  });

  test('[R4] lost is queued again only after the looks that make it lost', () => {
    const { told, lose, last, reruns, later } = aRetried(resubmit);
    told('p', started, step(6));
    told('p', absent, absent);
    later(3 * timing.lostAfterMs);
    told('p', foundRunning);
    expect(reruns()).toEqual([]);
    lose('p');
    expect(last()).toMatchObject({ status: 'queued', attempt: 2 });
    expect(reruns()).toEqual(['lost']);
  });

  test('says so exactly once, whoever tells of it again', () => {
    const { told, lose, reruns, take } = aRetried(resubmit);
    told('p', started, broke('out_of_memory'), broke('out_of_memory'), ended('out_of_memory'), abandoned);
    lose('p');
    take({ tag: 'unlinked', clientId: 'c', at: 99, clean: false });
    take({ tag: 'linked', clientId: 'c', at: 100 });
    take({ tag: 'garbled', clientId: 'c', at: 101 });
    take({ tag: 'queueLength', serverUrl: SERVER, remaining: 0, at: 102 });
    expect(reruns()).toEqual(['out_of_memory']);
  });

  test('says so once more for each run that fails', () => {
    const { told, reruns, last } = aRetried(three);
    told('p', broke('out_of_memory'), posting('r2'));
    told('r2', accepted, started, broke('out_of_memory'));
    expect(reruns()).toEqual(['out_of_memory', 'out_of_memory']);
    expect(last()).toMatchObject({ status: 'queued', attempt: 3 });
  });

  test('is not looked up, nor lost, while it waits for the next run', () => {
    const { told, board, lose, last } = aRetried(resubmit);
    told('p', started, broke('out_of_memory'));
    expect(board.due(SERVER, 1e12)).toEqual([]);
    lose('p');
    expect(last()).toMatchObject({ status: 'queued', attempt: 2 });
  });

  test('shows a watcher the way back to the queue', () => {
    const { told, states } = aRetried(three);
    told('p', started, step(6), broke('out_of_memory'), posting('r2'));
    told('r2', accepted, started, step(1), step(9), executed, succeeded);
    const seen: JobState[] = [];
    from(states())
      .pipe(neverBackward())
      .subscribe((state) => seen.push(state));
    const turns = seen.map(({ attempt, status }) => `${attempt} ${status}`);
    expect([...new Set(turns)]).toEqual(['1 queued', '1 processing', '2 queued', '2 processing', '2 completed']);
    const progress = seen.map((state) => state.progress);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
  });
});

describe('a run that failed and is not repeated', () => {
  test.each<FailureKind>(['node_error', 'interrupted'])('%s', (kind) => {
    for (const fact of [broke(kind), ended(kind)]) {
      const { told, last, reruns } = aRetried(resubmit);
      told('p', started, fact);
      expect(last()).toMatchObject({ status: 'failed', attempt: 1, failure: { kind } });
      expect(reruns()).toEqual([]);
    }
  });

  test.each<FailureKind>(['rejected', 'unreachable', 'cancelled', 'out_of_memory', 'lost'])(
    '[R10] refused as %s, in the first run or a later one',
    (kind) => {
      const { told, last } = aRetried(resubmit);
      told('p', refused(kind));
      expect(last()).toMatchObject({ status: 'failed', attempt: 1, failure: { kind } });
      const later = aRetried(resubmit);
      later.told('p', broke('out_of_memory'), posting('r2'), refused(kind));
      expect(later.last()).toMatchObject({ status: 'failed', attempt: 2, failure: { kind } });
      expect(later.reruns()).toEqual(['out_of_memory']);
    },
  );

  test('lost, where only memory is tried again', () => {
    const { lose, last, reruns } = aRetried(three);
    lose('p');
    expect(last()).toMatchObject({ status: 'failed', attempt: 1, failure: { kind: 'lost' } });
    expect(reruns()).toEqual([]);
  });

  test('anything, where there is no policy or one of a single run', () => {
    for (const retry of [undefined, { maxAttempts: 1, onLost: 'resubmit' as const }]) {
      for (const end of ['out_of_memory', 'lost'] as const) {
        const { told, lose, last, reruns } = aRetried(retry);
        if (end === 'lost') lose('p');
        else told('p', broke(end));
        expect(last()).toMatchObject({ status: 'failed', attempt: 1, failure: { kind: end } });
        expect(reruns()).toEqual([]);
      }
    }
  });

  test('[R3] a success whose outputs are nowhere', () => {
    const { told, last, lose, reruns, take } = aRetried(resubmit);
    told('p', started);
    take({ tag: 'garbled', clientId: 'c', at: 2 });
    told('p', succeeded);
    lose('p');
    expect(last()).toMatchObject({ status: 'failed', failure: { kind: 'missing_output' } });
    expect(reruns()).toEqual([]);
  });

  test('the last that it may have: it settles with what that one failed of', () => {
    const { told, lose, last, reruns, board } = aRetried(resubmit);
    told('p', broke('out_of_memory'), posting('r2'));
    told('r2', accepted);
    lose('r2');
    told('p', posting('r3'));
    told('r3', accepted, started, broke('out_of_memory'));
    expect(last()).toMatchObject({ status: 'failed', phase: 'settled', attempt: 3, runId: 'r3' });
    expect(last().failure).toEqual(aFailure('out_of_memory'));
    expect(reruns()).toEqual(['out_of_memory', 'lost']);
    expect(board.jobs.size).toBe(0);
  });

  test('one that was asked to stop', () => {
    const { told, lose, last, reruns } = aRetried(resubmit);
    told('p', started, cancelAsked, abandoned);
    expect(last()).toMatchObject({ status: 'processing', attempt: 1 });
    lose('p');
    expect(last()).toMatchObject({ status: 'failed', failure: { kind: 'cancelled' } });
    expect(reruns()).toEqual([]);
  });
});

describe('a server that stays away', () => {
  test('gives a job up to another where its policy says so', () => {
    const { told, last, reruns } = aRetried(resubmit);
    told('p', started, step(6), abandoned);
    expect(last()).toMatchObject({ status: 'queued', attempt: 2 });
    expect(reruns()).toEqual(['lost']);
  });

  test.each([undefined, three, { maxAttempts: 1, onLost: 'resubmit' as const }])(
    '[R4] changes nothing for a job with the policy %j',
    (retry) => {
      const { told, reruns, board } = aRetried(retry);
      told('p', started, step(6));
      expect(told('p', abandoned)).toEqual([]);
      expect(board.job('p')?.state).toMatchObject({ status: 'processing', attempt: 1 });
      expect(reruns()).toEqual([]);
    },
  );

  test('does not fail a job that has had its last attempt: the server may be back', () => {
    const { told, last, board } = aRetried({ maxAttempts: 2, onLost: 'resubmit' });
    told('p', abandoned, posting('r2'));
    told('r2', accepted, started);
    expect(told('p', abandoned)).toEqual([]);
    expect(board.job('p')?.state).toMatchObject({ status: 'processing', attempt: 2 });
    told('r2', executed, succeeded);
    expect(last()).toMatchObject({ status: 'completed', attempt: 2 });
  });
});

describe('between two runs', () => {
  const between = () => {
    const kit = aRetried(resubmit);
    kit.told('p', started, step(6), executed, broke('out_of_memory'));
    return kit;
  };

  test.each<Fact>([
    started,
    step(9),
    { tag: 'snapshot', nodes: [] },
    { tag: 'executing', nodeId: '3' },
    { tag: 'cached', nodeIds: ['1'] },
    executed,
    succeeded,
    broke('node_error'),
    foundRunning,
    { tag: 'found', where: 'pending', ahead: 4 },
    { tag: 'ended', outcome: [anOutput('3')] },
    ended('out_of_memory'),
    absent,
    accepted,
    abandoned,
  ])('[R3] $tag of the last run changes nothing', (fact) => {
    const { told, board } = between();
    const before = board.job('p');
    expect(told('p', fact)).toEqual([]);
    expect(board.job('p')).toBe(before);
  });

  test('a cancel ends it, and nothing is posted', () => {
    const { told, last, board } = between();
    told('p', cancelAsked);
    expect(last()).toMatchObject({ status: 'failed', attempt: 2, failure: { kind: 'cancelled' } });
    expect(board.jobs.size).toBe(0);
    expect(told('p', posting('r2'))).toEqual([]);
  });

  test('a run that cannot be made ends it with what the last one failed of', () => {
    const { told, last } = between();
    told('p', refused('out_of_memory'));
    expect(last()).toMatchObject({ status: 'failed', attempt: 2, failure: { kind: 'out_of_memory' } });
  });

  test('a job may be let go, and leaves nothing behind', () => {
    const { take, board, told } = between();
    take({ tag: 'released', promptId: 'p' });
    expect(board.jobs.size).toBe(0);
    expect(told('p', posting('r2'))).toEqual([]);
  });
});

describe('the next run', () => {
  const posted = (clientId = 'c', serverUrl = SERVER) => {
    const kit = aRetried(resubmit);
    kit.told('p', started, step(6), broke('out_of_memory'), posting('r2', clientId, serverUrl));
    return kit;
  };

  test('is of the job, under an id, a session and a server of its own', () => {
    const { last, board } = posted('d', ELSEWHERE);
    expect(last()).toMatchObject({ promptId: 'p', runId: 'r2', clientId: 'd', serverUrl: ELSEWHERE, attempt: 2 });
    expect(board.run('r2')?.state.promptId).toBe('p');
    expect(board.job('p')?.linked).toBe(false);
  });

  test('is not looked for until its server took it, then there and nowhere else', () => {
    const { told, board } = posted('d', ELSEWHERE);
    expect(board.due(ELSEWHERE, 1e12)).toEqual([]);
    told('r2', accepted);
    expect(board.due(ELSEWHERE, 1e12).map(({ state }) => runIdOf(state))).toEqual(['r2']);
    expect(board.due(SERVER, 1e12)).toEqual([]);
  });

  test('[R5] is told of by its own frames and looks; those of the run before are nobody’s', () => {
    const { told, last, board } = posted();
    const before = board.job('p');
    expect(told('p', started, step(9), executed, succeeded, broke('node_error'), absent, foundRunning)).toEqual([]);
    expect(board.job('p')).toBe(before);
    told('r2', started, step(9), executed, succeeded);
    expect(last()).toMatchObject({ promptId: 'p', status: 'completed', progress: 100, attempt: 2, runId: 'r2' });
  });

  test('[R6] is looked up once after its session’s socket is open anew, and its old session is not asked', () => {
    const { told, take, board } = posted('d', ELSEWHERE);
    told('r2', accepted);
    take({ tag: 'linked', clientId: 'd', at: 50 });
    expect(board.due(ELSEWHERE, 50)).toHaveLength(1);
    told('r2', started);
    const before = board.job('p');
    take({ tag: 'unlinked', clientId: 'c', at: 60, clean: false });
    expect(board.job('p')).toBe(before);
  });

  test('[R2] does not take progress back, nor stay where the run before was', () => {
    const { told, last } = posted();
    const { progress } = last();
    told('r2', started, step(1));
    expect(last()).toMatchObject({ node: { value: 1 } });
    expect(last().progress).toBeGreaterThanOrEqual(progress);
    told('r2', step(9));
    expect(last().progress).toBeGreaterThanOrEqual(progress);
  });

  test('[R3] has outputs of its own only', () => {
    const { told, last } = posted();
    told('r2', started, { tag: 'executed', nodeId: '3', outputs: [anOutput('3', 'second.png')] }, succeeded);
    expect(last().outputs).toEqual([anOutput('3', 'second.png')]);
  });

  test('[R4] is lost after looks of its own', () => {
    const { told, lose, last } = posted();
    told('r2', accepted);
    told('p', absent, absent, absent);
    lose('p');
    expect(last()).toMatchObject({ status: 'queued', attempt: 2 });
    lose('r2');
    expect(last()).toMatchObject({ status: 'queued', attempt: 3 });
  });

  test('[R13] shows its previews as the job’s', () => {
    const { told, take } = posted();
    told('r2', started);
    const previewed = (promptId?: string) =>
      take({
        tag: 'previewed',
        clientId: 'c',
        at: 9,
        nodeId: '2',
        mimeType: 'image/png',
        image: new Uint8Array(1),
        ...(promptId !== undefined && { promptId }),
      });
    expect(previewed('r2')).toMatchObject([{ tag: 'preview', preview: { promptId: 'p', nodeId: '2' } }]);
    expect(previewed()).toMatchObject([{ tag: 'preview', preview: { promptId: 'p' } }]);
    expect(previewed('p')).toEqual([]);
  });

  test('[R5] a frame without a job is of the present run', () => {
    const { told, take, last } = posted();
    told('r2', started);
    take({ tag: 'resumed', clientId: 'c', nodeId: '2', at: 9 });
    expect(last()).toMatchObject({ promptId: 'p', runId: 'r2', node: { id: '2' } });
  });

  test('goes by the id that an old server gives it, and the job keeps its own', () => {
    const { told, take, last, board } = posted();
    told('theirs', started, step(2));
    take({ tag: 'accepted', promptId: 'r2', runId: 'theirs', postedAt: 0, at: 9 });
    expect(last()).toMatchObject({ promptId: 'p', runId: 'theirs', status: 'processing' });
    expect(board.run('r2')).toBeUndefined();
    expect(told('r2', executed, succeeded)).toEqual([]);
    told('theirs', executed, { tag: 'ended', outcome: [anOutput('3')] });
    expect(last()).toMatchObject({ promptId: 'p', status: 'completed' });
    expect(board.run('theirs')).toBeUndefined();
  });

  test('of a job that had a run under a server’s own id is addressed by its own', () => {
    const { told, take, last, reruns } = aRetried(resubmit);
    take({ tag: 'accepted', promptId: 'p', runId: 'q', postedAt: 0, at: 1 });
    told('q', started, broke('out_of_memory'));
    told('p', posting('r2'));
    expect(reruns()).toEqual(['out_of_memory']);
    expect(last()).toMatchObject({ promptId: 'p', runId: 'r2', attempt: 2 });
  });

  test('taken up by another instance is told of by the run’s id from there on', () => {
    const { told, last } = aRetried(resubmit, { attempt: 2, runId: 'r2', epoch: 9 });
    expect(told('p', started)).toEqual([]);
    told('r2', started, executed, { tag: 'ended', outcome: [anOutput('3')] });
    expect(last()).toMatchObject({ promptId: 'p', status: 'completed', attempt: 2 });
  });
});

describe('whatever comes', () => {
  const retry = fc.record(
    { maxAttempts: fc.integer({ min: 1, max: 4 }), onLost: fc.constant('resubmit' as const) },
    { requiredKeys: ['maxAttempts'] },
  );
  /** Facts of the job’s runs, of the present one mostly, and of its session. */
  const told = fc.array(
    fc.tuple(
      fc.oneof(
        { weight: 4, arbitrary: fc.constant('present') },
        { weight: 2, arbitrary: fc.constantFrom('p', 'r2', 'r3', 'x') },
      ),
      fc.oneof(
        { weight: 12, arbitrary: anyFact },
        { weight: 2, arbitrary: fc.constantFrom(broke('out_of_memory'), ended('out_of_memory'), abandoned) },
        { weight: 1, arbitrary: fc.constant('socket' as const) },
      ),
      fc.nat(6_000),
    ),
    { maxLength: 60 },
  );
  const life = (policy: RetryPolicy, events: typeof told extends fc.Arbitrary<infer E> ? E : never) => {
    const kit = aRetried(policy);
    let open = true;
    for (const [whose, fact, wait] of events) {
      const at = kit.later(wait);
      const present = kit.board.job('p')?.state;
      if (fact === 'socket') {
        open = !open;
        kit.take(open ? { tag: 'linked', clientId: 'c', at } : { tag: 'unlinked', clientId: 'c', at, clean: false });
      } else kit.told(whose === 'present' && present !== undefined ? runIdOf(present) : whose, fact);
    }
    return kit;
  };
  const property = (name: string, check: (kit: ReturnType<typeof aRetried>, policy: RetryPolicy) => void): void =>
    test(name, () => {
      fc.assert(
        fc.property(retry, told, (policy, events) => check(life(policy, events), policy)),
        { numRuns: runs(160) },
      );
    });
  const pairs = (states: readonly JobState[]): [JobState, JobState][] =>
    states.slice(1).map((state, index) => [states[index]!, state]);

  property('[R1] a settled job never changes', ({ states, board }) => {
    const settled = states().findIndex(isSettled);
    if (settled < 0) return;
    expect(settled).toBe(states().length - 1);
    expect(board.jobs.size).toBe(0);
  });

  property('[R2] progress never falls from one run to the next, and is 100 when completed only', ({ states }) => {
    expect(pairs(states()).filter(([before, after]) => after.progress < before.progress)).toEqual([]);
    expect(states().filter(({ status, progress }) => (progress === 100) !== (status === 'completed'))).toEqual([]);
  });

  property('each run that is to be made is said once, and is one attempt on', ({ states, reruns }, { maxAttempts }) => {
    const attempts = states().map(({ attempt }) => attempt);
    expect(attempts).toEqual([...attempts].sort((a, b) => a - b));
    expect(reruns()).toHaveLength(attempts.at(-1)! - 1);
    expect(attempts.at(-1)).toBeLessThanOrEqual(maxAttempts);
  });

  property('`seq` grows by one, and what a watcher sees is all of it', ({ states }) => {
    expect(pairs(states()).filter(([before, after]) => after.seq !== before.seq + 1)).toEqual([]);
    const seen: JobState[] = [];
    from(states())
      .pipe(neverBackward())
      .subscribe((state) => seen.push(state));
    expect(seen).toEqual(states());
  });

  property('a job is found by its present run’s id and by no other', ({ board, last }) => {
    for (const id of ['p', 'r2', 'r3', 'x']) {
      const job = board.run(id);
      if (job !== undefined) expect(runIdOf(job.state)).toBe(id);
    }
    if (!isSettled(last())) expect(board.run(runIdOf(last()))?.state.promptId).toBe('p');
  });
});

describe('[R11] across a hand-over, a watcher', () => {
  const seenOf = (...states: readonly JobState[]): readonly JobState[] => {
    const seen: JobState[] = [];
    from(states)
      .pipe(neverBackward())
      .subscribe((state) => seen.push(state));
    return seen;
  };
  const at = (epoch: number, seq: number, more: Partial<JobState> = {}) => aState({ epoch, seq, ...more });

  test('[R2] is shown no older owner’s word, and no less progress', () => {
    const running = { status: 'processing', progress: 60 } as const;
    const seen = seenOf(
      at(1, 9, running),
      at(5, 7, { ...running, progress: 40 }),
      at(1, 10, { ...running, progress: 90 }),
      at(5, 8, { ...running, progress: 61 }),
    );
    expect(seen.map(({ epoch, seq, progress }) => [epoch, seq, progress])).toEqual([
      [1, 9, 60],
      [5, 7, 60],
      [5, 8, 61],
    ]);
  });

  test('does not see a running job wait again, in the same attempt', () => {
    const seen = seenOf(
      at(1, 9, { status: 'processing', attempt: 2, runId: 'r2' }),
      at(5, 7, { attempt: 2, runId: 'r2' }),
      at(5, 8, { status: 'processing', attempt: 2, runId: 'r2' }),
    );
    expect(seen.map(({ seq }) => seq)).toEqual([9, 8]);
  });

  test('follows an owner that knows less of an attempt that it saw fail, and not back to that attempt', () => {
    const running = { status: 'processing', progress: 30 } as const;
    const seen = seenOf(
      at(1, 9, { ...running, attempt: 2 }),
      at(5, 6, { attempt: 1 }),
      at(5, 7, { ...running, attempt: 1 }),
      at(5, 8, { status: 'completed', progress: 100, attempt: 1 }),
    );
    expect(seen.map(({ seq, status, attempt }) => [seq, status, attempt])).toEqual([
      [9, 'processing', 2],
      [7, 'processing', 2],
      [8, 'completed', 2],
    ]);
  });
});
