import { jobBoard, type BoardEvent, type Change } from '../../../streams/board/board';
import { jobOf, runOfJob } from '../../../streams/job/job';
import type { JobState } from '../../../streams/job/job-state';
import { defaultTiming as timing } from '../../../streams/job/timing';
import { aFailure, anOutput, aState, finished, running, sampling, type Fact } from '../job/a-job';

const SERVER = 'http://comfyui';

/** A board on which `c` is linked and greeted, and time goes by as told. */
function aBoard() {
  const reports: string[] = [];
  const board = jobBoard(timing, (where) => void reports.push(where));
  let now = 0;
  const take = (event: BoardEvent): readonly Change[] => board.take(event);
  const states = (changes: readonly Change[]): readonly JobState[] =>
    changes.flatMap((change) => (change.tag === 'state' ? [change.state] : []));
  return {
    board,
    reports,
    at: (time: number) => (now = time),
    take,
    open: (promptId: string, more: Partial<JobState> = {}, accepted = true): readonly JobState[] =>
      states(take({ tag: 'opened', job: jobOf(aState({ promptId, ...more }), { graph: sampling, accepted }) })),
    told: (promptId: string, ...facts: readonly Fact[]): readonly JobState[] =>
      facts.flatMap((fact) => states(take({ promptId, at: now, ...fact }))),
    linked: (clientId = 'c') => states(take({ tag: 'linked', clientId, at: now })),
    unlinked: (clean = false, clientId = 'c') => states(take({ tag: 'unlinked', clientId, at: now, clean })),
    heard: (clientId = 'c') => take({ tag: 'heard', clientId, at: now }),
    garbled: (clientId = 'c') => take({ tag: 'garbled', clientId, at: now }),
    resumed: (nodeId: string, clientId = 'c') => states(take({ tag: 'resumed', clientId, nodeId, at: now })),
    queueLength: (remaining: number, serverUrl = SERVER) =>
      states(take({ tag: 'queueLength', serverUrl, remaining, at: now })),
    previewed: (more: { promptId?: string; nodeId?: string; clientId?: string } = {}) =>
      take({ tag: 'previewed', clientId: 'c', at: now, mimeType: 'image/jpeg', image: new Uint8Array(1), ...more }),
    due: (time: number, url = SERVER) => board.due(url, time).map((job) => job.state.promptId),
    /** Whether the socket is opened anew, at a server that answers the look which comes first. */
    deaf: (time: number, clientId = 'c'): boolean => {
      if (board.reopenIfDeaf(clientId, time)) return true;
      for (const { state } of board.due(SERVER, time)) {
        const where = state.status === 'queued' ? 'pending' : 'running';
        board.take({ promptId: state.promptId, at: time, tag: 'found', where });
      }
      return board.reopenIfDeaf(clientId, time);
    },
    /** The same, at a server that answers nothing. */
    deafThoughBusy: (time: number, clientId = 'c') => board.reopenIfDeaf(clientId, time),
  };
}

const started: Fact = { tag: 'started' };
const step = (value: number): Fact => ({ tag: 'stepped', nodeId: '2', value, max: 10 });
const executed: Fact = { tag: 'executed', nodeId: '3', outputs: [anOutput('3')] };
const foundRunning: Fact = { tag: 'found', where: 'running' };
const accepted = (postedAt = 0): Fact => ({ tag: 'accepted', postedAt });
const ended: Fact = { tag: 'ended', outcome: [anOutput('3')] };

describe('whose news it is', () => {
  test('[R5] a frame changes the job it names and no other', () => {
    const { open, told, board } = aBoard();
    open('a');
    open('b');
    expect(told('a', started).map(({ promptId }) => promptId)).toEqual(['a']);
    expect(board.job('b')?.state.status).toBe('queued');
  });

  test('[R5] a frame without a job is of this session’s running job', () => {
    const { open, told, resumed } = aBoard();
    open('a');
    open('b');
    told('a', started);
    expect(resumed('2')).toMatchObject([{ promptId: 'a', node: { id: '2' } }]);
  });

  test('[R5] a frame without a job is of none where no job runs, or two may', () => {
    const { open, told, resumed } = aBoard();
    open('a');
    open('b');
    expect(resumed('2')).toEqual([]);
    told('a', started);
    told('b', started);
    expect(resumed('2')).toEqual([]);
  });

  test('[R5] a frame without a job is of no other session’s job', () => {
    const { open, told, resumed } = aBoard();
    open('a', { clientId: 'other' });
    told('a', started);
    expect(resumed('2')).toEqual([]);
  });

  test('news that changes nothing is no change', () => {
    const { open, told } = aBoard();
    open('a');
    expect(told('a', started, started, step(1), step(1))).toHaveLength(2);
  });

  test('a settled job is gone from the board', () => {
    const { open, told, board, due } = aBoard();
    open('a');
    told('a', started, executed, { tag: 'succeeded' });
    expect(board.jobs.size).toBe(0);
    expect(due(1e9)).toEqual([]);
    expect(told('a', step(2), ended)).toEqual([]);
  });

  test('a released job is watched no longer', () => {
    const { open, told, take, board } = aBoard();
    open('a');
    take({ tag: 'released', promptId: 'a' });
    expect(board.job('a')).toBeUndefined();
    expect(told('a', started)).toEqual([]);
  });

  test('[R2] a job that is taken up twice does not start again', () => {
    const { open, told, board } = aBoard();
    open('a');
    told('a', started, step(5));
    const before = board.job('a');
    expect(open('a', { epoch: 99 })).toEqual([]);
    expect(board.job('a')).toBe(before);
  });
});

describe('frames before the answer to the post', () => {
  test('are kept for a job that is not known yet', () => {
    const { open, told, board } = aBoard();
    expect(told('a', started, step(5))).toEqual([]);
    expect(open('a').map(({ status }) => status)).toEqual(['queued', 'processing', 'processing']);
    expect(board.job('a')?.state.node?.value).toBe(5);
  });

  const posted = (promptId: string): BoardEvent => ({
    tag: 'opened',
    job: jobOf(aState({ promptId }), { graph: sampling }),
  });
  const taken = (promptId: string, runId: string): BoardEvent => ({
    ...{ tag: 'accepted', promptId, runId, postedAt: 0, at: 9 },
  });

  test('are kept for the id that an old server gives a job, which keeps its own', () => {
    const { told, take, linked, board } = aBoard();
    linked();
    take(posted('ours'));
    told('theirs', started, executed);
    const changes = take(taken('ours', 'theirs'));
    expect(changes[0]).toMatchObject({ state: { promptId: 'ours', runId: 'theirs', status: 'queued', updatedAt: 9 } });
    expect(changes.at(-1)).toMatchObject({ state: { promptId: 'ours', runId: 'theirs', status: 'processing' } });
    expect([...board.jobs.keys()]).toEqual(['ours']);
    expect(told('theirs', { tag: 'succeeded' })).toMatchObject([{ promptId: 'ours', status: 'completed' }]);
  });

  test('a look tells an old server’s id as well, where the answer to the post was lost', () => {
    const { told, take, board } = aBoard();
    take(posted('ours'));
    expect(told('ours', { tag: 'found', where: 'running', runId: 'theirs' })).toMatchObject([
      { promptId: 'ours', runId: 'theirs', status: 'processing' },
    ]);
    expect(board.run('theirs')?.state.promptId).toBe('ours');
    expect(board.run('ours')).toBeUndefined();
  });

  test.each(['other', 'theirs of other', 'a/b', 'a\r\nb', 'x'.repeat(201), ''])(
    '[R13] an id that is another job’s, or none of ComfyUI’s, is not believed: %j',
    (runId) => {
      const { told, take, board, reports } = aBoard();
      take(posted('other'));
      take(taken('other', 'theirs of other'));
      take(posted('another'));
      take(posted('ours'));
      take(taken('ours', runId === 'other' ? 'another' : runId));
      expect(reports).toEqual(['run id']);
      expect(board.job('ours')?.state.runId).toBeUndefined();
      told('theirs of other', started);
      expect(board.job('other')?.state.status).toBe('processing');
      expect(board.job('ours')?.state.status).toBe('queued');
    },
  );

  test('[R3] do not count as the whole where the socket was lost among them', () => {
    const { told, take, linked, unlinked, board } = aBoard();
    linked();
    take(posted('ours'));
    told('theirs', started);
    unlinked();
    linked();
    take(taken('ours', 'theirs'));
    expect(board.job('ours')?.stage).toMatchObject({ tag: 'watched', whole: false });
    expect(told('theirs', executed, { tag: 'succeeded' }).at(-1)?.status).toBe('processing');
  });

  test('[R3] nor where one could not be read', () => {
    const { open, told, garbled, linked, board } = aBoard();
    linked();
    told('a', started);
    garbled();
    open('a');
    expect(board.job('a')?.stage).toMatchObject({ tag: 'watched', whole: false });
  });
});

describe('a job that runs again', () => {
  /** A board with a job whose first run ran out of memory, and what changed by that. */
  const failedOnce = () => {
    const kit = aBoard();
    kit.linked();
    kit.open('a', { retry: { maxAttempts: 3 } });
    kit.told('a', started);
    const again = kit.take({ tag: 'broke', promptId: 'a', at: 0, failure: aFailure('out_of_memory') });
    return { ...kit, again };
  };
  const posting: Fact = { tag: 'posting', runId: 'r2', clientId: 'c', serverUrl: SERVER };

  test('says so once', () => {
    const { again, take } = failedOnce();
    expect(again).toMatchObject([
      { tag: 'state', state: { status: 'queued', attempt: 2 } },
      { tag: 'runAgain', promptId: 'a', failure: { kind: 'out_of_memory' } },
    ]);
    expect(take({ tag: 'broke', promptId: 'a', at: 0, failure: aFailure('out_of_memory') })).toEqual([]);
  });

  test('[R5] hears of its present run, by that run’s id, and of no other', () => {
    const { told, board } = failedOnce();
    told('a', posting);
    expect(board.run('r2')?.state.promptId).toBe('a');
    expect(board.run('a')).toBeUndefined();
    expect(told('a', started, { tag: 'succeeded' }, ended)).toEqual([]);
    expect(told('r2', started)).toMatchObject([{ promptId: 'a', status: 'processing' }]);
  });

  test('is cancelled by its own id, whichever run it is in', () => {
    const { told, board } = failedOnce();
    told('a', posting);
    told('a', { tag: 'cancelAsked' });
    expect(board.job('a')?.stage).toEqual({ tag: 'posting', cancelAsked: true });
  });

  test('hears what its run said before it was known', () => {
    const { told } = failedOnce();
    told('a', posting);
    told('r9', started, step(3));
    const adopted = failedOnce();
    adopted.told('a', posting);
    adopted.told('r9', started, step(3));
    expect(adopted.take({ tag: 'accepted', promptId: 'r2', runId: 'r9', postedAt: 0, at: 1 }).at(-1)).toMatchObject({
      state: { promptId: 'a', runId: 'r9', status: 'processing', node: { value: 3 } },
    });
  });

  test('keeps its previews to its present run', () => {
    const { told, previewed } = failedOnce();
    told('a', posting);
    expect(previewed({ promptId: 'r2', nodeId: '2' })).toMatchObject([{ preview: { promptId: 'a' } }]);
    expect(previewed({ promptId: 'a', nodeId: '2' })).toEqual([]);
  });

  test('is linked as the session is that it is posted under', () => {
    const { told, board } = failedOnce();
    told('a', { ...posting, clientId: 'elsewhere' });
    expect(board.job('a')?.linked).toBe(false);
    const here = failedOnce();
    here.told('a', posting);
    expect(here.board.job('a')?.linked).toBe(true);
  });

  test('leaves nothing behind when it settles', () => {
    const { told, board } = failedOnce();
    told('a', posting);
    told('r2', ended);
    expect(board.jobs.size).toBe(0);
    expect(board.run('r2')).toBeUndefined();
  });
});

describe('what was missed', () => {
  test('[R3] a socket that closed among a job’s frames leaves its outputs to history', () => {
    const { open, told, linked, unlinked } = aBoard();
    linked();
    open('a');
    told('a', started);
    unlinked();
    linked();
    expect(told('a', executed, { tag: 'succeeded' }).at(-1)).toMatchObject({
      status: 'processing',
      phase: 'finishing',
    });
    expect(told('a', ended)).toMatchObject([{ status: 'completed' }]);
  });

  test('[R3] so does a frame that could not be read', () => {
    const { open, told, linked, garbled } = aBoard();
    linked();
    open('a');
    told('a', started);
    garbled();
    expect(told('a', executed, { tag: 'succeeded' }).at(-1)?.status).toBe('processing');
  });

  test('[R6] after each connect each of the session’s jobs is looked up', () => {
    const { open, at, linked, due } = aBoard();
    open('a');
    open('b', { clientId: 'other', serverUrl: 'http://elsewhere' });
    open('c', {}, false);
    at(100);
    linked();
    expect(due(99)).not.toContain('a');
    expect(due(100)).toContain('a');
    expect(due(100)).not.toContain('c');
  });

  test('[R6] a look is due once per connect', () => {
    const { open, told, at, linked, due } = aBoard();
    open('a');
    linked();
    told('a', foundRunning);
    expect(due(timing.auditMs - 1)).toEqual([]);
    at(1_000);
    linked();
    expect(due(1_000)).toEqual(['a']);
  });

  test('[R8] after a socket is lost, polling takes over, and goes when it is back', () => {
    const { open, told, at, linked, unlinked, due } = aBoard();
    linked();
    open('a');
    at(10_000);
    told('a', started);
    unlinked();
    expect(due(10_000 + timing.takeoverMs - 1)).toEqual([]);
    expect(due(10_000 + timing.takeoverMs)).toEqual(['a']);
    at(12_000);
    expect(told('a', foundRunning)).toMatchObject([{ via: 'polling' }]);
    expect(due(12_000 + timing.pollMs)).toEqual(['a']);
    at(13_000);
    linked();
    expect(told('a', foundRunning)).toMatchObject([{ via: 'websocket' }]);
    expect(due(13_000 + timing.auditMs - 1)).toEqual([]);
  });

  test('[R8] after the clock was set back, a job is looked up at once, and then as often as before', () => {
    const { open, told, at, due } = aBoard();
    const hour = 3_600_000;
    at(2 * hour);
    open('a');
    told('a', foundRunning);
    expect(due(2 * hour)).toEqual([]);
    expect(due(hour)).toEqual(['a']);
    at(hour);
    told('a', foundRunning);
    expect(due(hour + timing.pollMs - 1)).toEqual([]);
    expect(due(hour + timing.pollMs)).toEqual(['a']);
  });

  test('[R8] a look that is due takes along the jobs whose audit comes up soon: one request for all', () => {
    const { open, told, at, linked, due } = aBoard();
    linked();
    for (const [n, id] of ['a', 'b', 'c', 'd'].entries()) {
      open(id);
      at((n * timing.auditMs) / 4);
      told(id, foundRunning);
    }
    at(timing.auditMs);
    expect(due(timing.auditMs - 1)).toEqual([]);
    expect(due(timing.auditMs)).toEqual(['a', 'b', 'c']);
    for (const id of ['a', 'b', 'c']) told(id, foundRunning);
    expect(due(1.75 * timing.auditMs - 1)).toEqual([]);
    expect([...due(1.75 * timing.auditMs)].sort()).toEqual(['a', 'b', 'c', 'd']);
  });

  test('[R4] a job that was not found is not taken along: its looks are counted', () => {
    const { open, told, linked, due } = aBoard();
    linked();
    for (const id of ['a', 'b']) {
      open(id);
      told(id, foundRunning);
    }
    told('a', { tag: 'absent' });
    told('b', { tag: 'cancelAsked' });
    expect(due(timing.soonMs)).toEqual(['b']);
  });

  test('looks are for the jobs of one server', () => {
    const { open, due } = aBoard();
    open('a');
    open('b', { serverUrl: 'http://elsewhere' });
    expect(due(1e9)).toEqual(['a']);
    expect(due(1e9, 'http://elsewhere')).toEqual(['b']);
  });
});

describe('a `status`', () => {
  test('is the number of jobs that the server has in hand', () => {
    const { queueLength, board } = aBoard();
    expect(board.queueRemaining(SERVER)).toBeUndefined();
    queueLength(4);
    queueLength(2);
    expect(board.queueRemaining(SERVER)).toBe(2);
  });

  test('[R17] changes no job by itself, however many wait: one look at the queue tells of all', () => {
    const { open, told, at, linked, queueLength, due, board } = aBoard();
    linked();
    queueLength(3);
    for (const id of ['a', 'b']) {
      open(id);
      told(id, { tag: 'found', where: 'pending', ahead: 2 });
    }
    at(1_000);
    const before = [...board.jobs.values()];
    expect(queueLength(4)).toEqual([]);
    expect(board.jobs.get('a')).toBe(before[0]);
    expect(due(1_000 + timing.soonMs - 1)).toEqual([]);
    expect(due(1_000 + timing.soonMs)).toEqual(['a', 'b']);
  });

  test('[R8] is looked at once however often it changes, and again only after a while', () => {
    const { open, told, at, linked, queueLength, due } = aBoard();
    linked();
    queueLength(3);
    open('a');
    told('a', { tag: 'found', where: 'pending', ahead: 2 });
    at(1_000);
    for (const remaining of [4, 3, 4, 5]) queueLength(remaining);
    const looked = 1_000 + timing.soonMs;
    expect(due(looked)).toEqual(['a']);
    at(looked + 1);
    told('a', { tag: 'found', where: 'pending', ahead: 4 });
    queueLength(6);
    expect(due(looked + timing.auditMs - 1)).toEqual([]);
    expect(due(looked + timing.auditMs + 1)).toEqual(['a']);
  });

  test('[R8] that did not change, or at which no job waits, is no reason to look', () => {
    const { open, told, at, linked, queueLength, due } = aBoard();
    linked();
    queueLength(3);
    open('a');
    told('a', { tag: 'found', where: 'pending', ahead: 2 });
    at(1_000);
    queueLength(3);
    expect(due(1_000 + timing.soonMs)).toEqual([]);
    told('a', started);
    queueLength(2);
    expect(due(1_000 + 2 * timing.soonMs)).toEqual([]);
  });

  test.each([
    [4, 3],
    [1, 0],
    [0, 0],
    [-1, 0],
  ])('of %i jobs tells a job just taken its place: %i', (remaining, queuePosition) => {
    const { open, told, linked, queueLength } = aBoard();
    linked();
    queueLength(remaining);
    open('a', {}, false);
    expect(told('a', accepted(0))).toMatchObject([{ queuePosition }]);
  });

  test('tells the place of a job just taken as far back as it can be, and nobody looks', () => {
    const { open, told, at, linked, queueLength, due, board, take } = aBoard();
    linked();
    at(1_000);
    queueLength(3);
    open('a', {}, false);
    told('a', accepted(0));
    expect(board.job('a')?.state.queuePosition).toBe(2);
    queueLength(4);
    expect(due(1_000 + timing.soonMs)).toEqual([]);
    take({ tag: 'clock', at: 1_000 + timing.soonMs });
    expect(board.job('a')?.state.queuePosition).toBe(3);
  });

  test('[R4] that leaves no room for all our jobs has them looked up soon', () => {
    const { open, told, at, linked, queueLength, due } = aBoard();
    linked();
    for (const id of ['a', 'b']) {
      open(id);
      told(id, foundRunning);
    }
    at(1_000);
    queueLength(2);
    expect(due(1_000 + timing.soonMs)).toEqual([]);
    queueLength(1);
    expect(due(1_000 + timing.soonMs - 1)).toEqual([]);
    expect(due(1_000 + timing.soonMs)).toEqual(['a', 'b']);
  });

  test('[R4] does not hurry the looks at a job that was not found already', () => {
    const { open, told, at, linked, queueLength, due } = aBoard();
    linked();
    open('a');
    told('a', foundRunning, { tag: 'absent' });
    at(1_000);
    queueLength(0);
    expect(due(timing.suspectMs - 1)).toEqual([]);
    expect(due(timing.suspectMs)).toEqual(['a']);
  });

  test('has a job looked up soon whose frames go elsewhere, or which we asked to be cancelled', () => {
    const { open, told, at, linked, queueLength, due } = aBoard();
    linked();
    open('a');
    open('b', { clientId: 'other' });
    open('c');
    told('c', { tag: 'cancelAsked' });
    for (const id of ['a', 'b', 'c']) told(id, foundRunning);
    queueLength(8);
    at(1_000);
    queueLength(9);
    expect(due(1_000 + timing.soonMs)).toEqual(['b', 'c']);
  });
});

describe('a socket that is deaf', () => {
  /** A linked and greeted session with a job that ComfyUI took long ago. */
  const waiting = () => {
    const kit = aBoard();
    kit.linked();
    kit.heard();
    kit.open('a');
    return kit;
  };

  test('[R7] gets no `status` after an accepted workflow', () => {
    const { at, told, deaf } = waiting();
    at(100_000);
    told('a', accepted(99_900));
    expect(deaf(100_000 + timing.deafMs - 1)).toBe(false);
    expect(deaf(100_000 + timing.deafMs)).toBe(true);
  });

  test('[R7] is not one that got it before the answer to the post', () => {
    const { at, told, heard, deaf } = waiting();
    at(99_950);
    heard();
    at(100_000);
    told('a', accepted(99_900));
    expect(deaf(110_000)).toBe(false);
  });

  test('[R7] is not one that got it in time', () => {
    const { at, told, heard, deaf } = waiting();
    at(100_000);
    told('a', accepted(99_900));
    at(101_000);
    heard();
    expect(deaf(110_000)).toBe(false);
  });

  test('[R7] brings no end that a look sees', () => {
    const { at, told, deaf } = waiting();
    told('a', started);
    at(10_000);
    told('a', ended);
    expect(deaf(10_000 + timing.deafMs - 1)).toBe(false);
    expect(deaf(10_000 + timing.deafMs)).toBe(true);
  });

  test('[R7] is not one that brought the success whose outputs a look sees', () => {
    const { at, told, deaf } = waiting();
    told('a', { tag: 'succeeded' });
    at(10_000);
    told('a', ended);
    expect(deaf(20_000)).toBe(false);
  });

  test('[R7] brings no start that a look sees', () => {
    const { at, told, deaf } = waiting();
    at(10_000);
    told('a', foundRunning);
    expect(deaf(10_000 + timing.deafMs)).toBe(true);
  });

  test('[R7] is not one that has just been opened: what it missed came before', () => {
    const { at, linked, heard, told, deaf } = waiting();
    at(10_000);
    linked();
    heard();
    at(10_000 + timing.deafMs - 1);
    told('a', foundRunning);
    expect(deaf(10_000 + 2 * timing.deafMs)).toBe(false);
  });

  test('[R7] is not one whose job another watches: looks tell nothing of it', () => {
    const { at, open, told, deaf } = waiting();
    open('b', { clientId: 'other' });
    at(10_000);
    told('b', foundRunning, ended);
    expect(deaf(20_000)).toBe(false);
  });

  test('[R7] is silent for too long while a job runs, and twice as long after', () => {
    const { told, deaf } = waiting();
    told('a', started);
    expect(deaf(timing.quietMs - 1)).toBe(false);
    expect(deaf(timing.quietMs)).toBe(true);
    expect(deaf(timing.quietMs)).toBe(false);
    expect(deaf(2 * timing.quietMs)).toBe(true);
  });

  test.each([
    ['', true],
    [', after an older socket was cut off', false],
  ])('[R7] costs a handful of sockets where a node is silent for an hour%s', (_, clean) => {
    const { told, at, linked, heard, unlinked, resumed, deaf } = waiting();
    const reopen = (): void => {
      linked();
      heard();
      // ComfyUI tells each new socket so, even one that is dropped right after.
      resumed('2');
    };
    told('a', started, step(1));
    unlinked(clean);
    reopen();
    let sockets = 0;
    for (let now = 0; now < 3_600_000; now += 250) {
      if (!deaf(now)) continue;
      sockets++;
      at(now);
      unlinked(true);
      reopen();
    }
    expect(sockets).toBeGreaterThan(3);
    expect(sockets).toBeLessThan(20);
  });

  test('[R7] is told apart again once frames of a job came', () => {
    const { told, at, heard, deaf } = waiting();
    told('a', started);
    expect(deaf(timing.quietMs)).toBe(true);
    at(timing.quietMs + 1_000);
    heard();
    told('a', step(1));
    expect(deaf(2 * timing.quietMs + 999)).toBe(false);
    expect(deaf(2 * timing.quietMs + 1_000)).toBe(true);
  });

  test('[R7] falls silent into the trap that a cut-off socket left: five seconds, not thirty', () => {
    const { told, unlinked, linked, heard, at, deaf } = waiting();
    told('a', started);
    unlinked(false);
    at(1_000);
    linked();
    heard();
    expect(deaf(1_000 + timing.trapQuietMs - 1)).toBe(false);
    expect(deaf(1_000 + timing.trapQuietMs)).toBe(true);
  });

  test('[R7] falls silent into that trap while its jobs only wait: their start would be missed', () => {
    const { unlinked, linked, heard, at, deaf } = waiting();
    unlinked(false);
    at(1_000);
    linked();
    heard();
    expect(deaf(1_000 + timing.trapQuietMs - 1)).toBe(false);
    expect(deaf(1_000 + timing.trapQuietMs)).toBe(true);
    at(1_000 + timing.trapQuietMs);
    unlinked(true);
    linked();
    // Where ComfyUI has nothing to tell for long, patience doubles.
    heard();
    expect(deaf(1_000 + 3 * timing.trapQuietMs - 1)).toBe(false);
    expect(deaf(1_000 + 3 * timing.trapQuietMs)).toBe(true);
  });

  test('[R7] without a trap may be silent while its jobs only wait', () => {
    const { deaf } = waiting();
    expect(deaf(1e9)).toBe(false);
  });

  test('[R7] is not one whose server answers nothing at all: that is busy', () => {
    const { told, due, deafThoughBusy } = waiting();
    told('a', started);
    for (let time = 0; time <= 100_000; time += 250) expect(deafThoughBusy(time)).toBe(false);
    expect(due(100_000)).toEqual(['a']);
  });

  test('[R8] is told from one that is well without a question', () => {
    const { told, due, deafThoughBusy } = waiting();
    told('a', started);
    expect([deafThoughBusy(1_000), due(1_000)]).toEqual([false, []]);
  });

  test('[R7] is none that nobody opened', () => {
    expect(aBoard().deaf(1e9)).toBe(false);
  });
});

describe('a server that is silent', () => {
  const silent = (at: number): BoardEvent => ({ tag: 'silent', promptId: 'a', since: 1_000, at });

  test('has its jobs say so, once, in a change of their own', () => {
    const { open, take } = aBoard();
    const [opened] = open('a');
    expect(take(silent(6_000))).toMatchObject([
      { state: { silentSince: 1_000, via: 'polling', updatedAt: 6_000, seq: opened!.seq + 1 } },
    ]);
    expect([...take(silent(7_000)), ...take({ ...silent(7_000), promptId: 'b' } as BoardEvent)]).toEqual([]);
  });

  test('is so still after what we do to a job ourselves, and no more once it says anything', () => {
    const { open, take, told } = aBoard();
    open('a');
    take(silent(6_000));
    expect(told('a', { tag: 'cancelAsked' }).at(-1)?.silentSince).toBe(1_000);
    expect(told('a', foundRunning).at(-1)).not.toHaveProperty('silentSince');
  });
});

test('the bar of a job that runs goes on by the clock, and a job that waits is told nothing', () => {
  const { open, told, at, take } = aBoard();
  open('a');
  open('b');
  for (const n of [1, 2]) {
    at(1_000 * n);
    told('a', step(n));
  }
  const changes = take({ tag: 'clock', at: 4_000 });
  expect(changes).toMatchObject([{ tag: 'state', state: { promptId: 'a', status: 'processing', updatedAt: 4_000 } }]);
});

test('a job that is run elsewhere is looked up there, and no more where it was', () => {
  const { board, open, told, due } = aBoard();
  open('a', { retry: { maxAttempts: 2, onLost: 'resubmit' } });
  open('b', { serverUrl: 'http://elsewhere' });
  told('a', foundRunning);
  expect(board.mayRunAgain(SERVER).map(({ state }) => state.promptId)).toEqual(['a']);
  expect(board.mayRunAgain('http://elsewhere')).toEqual([]);
  told('a', { tag: 'abandoned' }, { tag: 'posting', runId: 'r2', clientId: 'c', serverUrl: 'http://elsewhere' });
  told('a', accepted());
  told('r2', foundRunning);
  expect([due(1e9), [...due(1e9, 'http://elsewhere')].sort()]).toEqual([[], ['a', 'b']]);
});

test('a job that is suspected is looked up now, and one that is gone is nobody’s trouble', () => {
  const { open, told, linked, take, due } = aBoard();
  linked();
  open('a');
  told('a', foundRunning);
  expect(due(500)).toEqual([]);
  take({ tag: 'suspected', promptId: 'a', at: 500 });
  expect(due(500)).toEqual(['a']);
  expect(take({ tag: 'suspected', promptId: 'gone', at: 500 })).toEqual([]);
});

describe('a preview', () => {
  test('goes to the job and node that it names', () => {
    const { open, previewed } = aBoard();
    open('a');
    expect(previewed({ promptId: 'a', nodeId: '7' })).toMatchObject([
      { tag: 'preview', preview: { promptId: 'a', nodeId: '7' } },
    ]);
  });

  test('that names none goes to the running job and its node', () => {
    const { open, told, previewed } = aBoard();
    open('a');
    open('b');
    told('b', started, step(1));
    expect(previewed()).toMatchObject([{ preview: { promptId: 'b', nodeId: '2', mimeType: 'image/jpeg' } }]);
  });

  test('[R13] that may be of either of two jobs goes to nobody', () => {
    const { open, told, previewed } = aBoard();
    for (const id of ['a', 'b']) {
      open(id);
      told(id, started, step(1));
    }
    expect(previewed()).toEqual([]);
  });

  test('of no job of ours, or of none that runs, goes nowhere', () => {
    const { open, told, previewed } = aBoard();
    open('a');
    expect(previewed()).toEqual([]);
    expect(previewed({ promptId: 'foreign', nodeId: '1' })).toEqual([]);
    told('a', started, step(1));
    expect(previewed({ clientId: 'other' })).toEqual([]);
  });

  test('before the running node is known goes nowhere', () => {
    const { open, told, previewed } = aBoard();
    open('a');
    told('a', started);
    expect(previewed()).toEqual([]);
  });
});

test('a hundred thousand events do not make the board grow', () => {
  const { board, open, told, queueLength, heard, previewed } = aBoard();
  open('kept');
  // Eight each.
  for (let event = 0; event < 15_000; event++) {
    const id = String(event);
    if (event % 10 === 0) open(id);
    told(id, started, step(event % 10), { tag: 'snapshot', nodes: [finished('1'), running('2', event % 10, 10)] });
    told('kept', step(event % 10));
    told(id, event % 3 === 0 ? ended : { tag: 'broke', failure: aFailure('node_error') });
    queueLength(event % 7);
    heard();
    previewed({ promptId: id, nodeId: '2' });
  }
  expect([...board.jobs.keys()]).toEqual(['kept']);
  expect(runOfJob(board.job('kept')!)?.nodes.size()).toBe(1);
  expect(board.session('unheard')).toBeUndefined();
});

describe('[R15] a mistake of ours at one job', () => {
  /** A board on which whatever is done to the job `a` throws. */
  const broken = () => {
    const kit = aBoard();
    kit.linked();
    const graph = new Proxy(new Map(sampling), {
      get: () => {
        throw new RangeError('too much for us');
      },
    });
    kit.take({ tag: 'opened', job: jobOf(aState({ promptId: 'a' }), { graph, accepted: true }) });
    kit.open('b');
    return kit;
  };

  test('fails that job, readably and for good, and is reported once', () => {
    const { told, board, reports } = broken();
    expect(told('a', started, step(1))).toMatchObject([
      { promptId: 'a', status: 'failed', phase: 'settled', failure: { kind: 'internal_error', retryable: false } },
    ]);
    expect(board.job('a')).toBeUndefined();
    expect(reports).toEqual(['job']);
  });

  test('ends nothing else: frames, looks and news of the session go on', () => {
    const { told, unlinked, linked, resumed, board } = broken();
    told('a', foundRunning);
    expect(told('b', started, step(1)).at(-1)).toMatchObject({ promptId: 'b', status: 'processing' });
    unlinked();
    linked();
    expect(resumed('3')).toMatchObject([{ promptId: 'b', node: { id: '3' } }]);
    expect(board.jobs.size).toBe(1);
  });

  test('anywhere else is told to the board, which fails the job, known to it or not', () => {
    const { take, board, reports } = broken();
    const error = new TypeError('while posting');
    for (const promptId of ['b', 'never opened']) {
      const changes = take({ tag: 'brokeHere', state: aState({ promptId }), error, at: 5 });
      expect(changes).toMatchObject([{ state: { promptId, failure: { kind: 'internal_error' } } }]);
    }
    expect([board.jobs.size, reports]).toEqual([1, ['job', 'job']]);
  });
});

describe('whoever waits for a job or a socket', () => {
  /** What happened to these, by what the board held when it was told. */
  const watching = (kit: ReturnType<typeof aBoard>, key: string, seen: () => unknown): unknown[] => {
    const told: unknown[] = [];
    kit.board.changed(key).subscribe(() => told.push(seen()));
    return told;
  };

  test('is told that the socket opened, and of no other', () => {
    const kit = aBoard();
    const ours = watching(kit, 'c', () => kit.board.session('c')?.open);
    const others = watching(kit, 'another', () => 'told');
    kit.linked();
    expect([ours, others]).toEqual([[true], []]);
  });

  test('is told of what happened to the job once it is wholly taken in', () => {
    const kit = aBoard();
    const stages = watching(kit, 'a', () => kit.board.job('a')?.stage.tag);
    kit.open('a');
    kit.told('a', { tag: 'cancelAsked' }, started, { tag: 'broke', failure: aFailure('node_error') });
    expect(stages).toEqual(['watched', 'watched', 'watched', undefined]);
  });

  test('is told that the job is another’s now', () => {
    const kit = aBoard();
    kit.open('a');
    const jobs = watching(kit, 'a', () => kit.board.job('a'));
    kit.take({ tag: 'released', promptId: 'a' });
    expect(jobs).toEqual([undefined]);
  });
});
