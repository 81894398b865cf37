import { jobBoard, type BoardEvent, type Change } from '../../../streams/board/board';
import { jobOf, takenOver } from '../../../streams/job/job';
import type { JobState } from '../../../streams/job/job-state';
import { defaultTiming as timing } from '../../../streams/job/timing';
import { SERVER, anOutput, aState, graph } from '../job/a-job';

const sending = graph({
  '1': ['EmptyImage'],
  '2': ['SaveImageWebsocket', { images: ['1', 0] }],
  '3': ['SaveImageWebsocket', { images: ['1', 0] }],
});

/** A board with one open session, and jobs of it that ComfyUI has. */
function withJobs(...promptIds: readonly string[]) {
  const board = jobBoard(timing);
  const states: JobState[] = [];
  const files: number[] = [];
  const take = (event: BoardEvent): readonly Change[] => {
    const changes = board.take(event);
    for (const change of changes) {
      if (change.tag === 'state') states.push(change.state);
      if (change.tag === 'pictured') files.push(change.picture.bytes[0] ?? 0);
    }
    return changes;
  };
  take({ tag: 'linked', clientId: 'c', at: 0 });
  for (const promptId of promptIds)
    take({ tag: 'opened', job: jobOf(aState({ promptId }), { graph: sending, accepted: true }) });
  return { board, take, states, files };
}

/** As ComfyUI before 0.3.64 sends it: it names no job. */
const picture = (at: number, more: object = {}): BoardEvent => ({
  tag: 'previewed',
  clientId: 'c',
  at,
  mimeType: 'image/png',
  image: Uint8Array.of(9),
  ...more,
});
const started = (promptId: string, at: number): BoardEvent => ({ tag: 'started', promptId, at });
const executing = (promptId: string, nodeId: string, at: number): BoardEvent => ({
  tag: 'executing',
  promptId,
  nodeId,
  at,
});

/** The first look at each job after that, ms. */
function firstLooks(board: ReturnType<typeof jobBoard>, from: number): Readonly<Record<string, number>> {
  const looks: Record<string, number> = {};
  for (let at = from + 100; at < from + 60_000; at += 250)
    for (const { state } of board.due(SERVER, at)) looks[state.promptId] ??= at - from;
  return looks;
}

test('[R13] a picture that names no job is none of one that said it succeeded', () => {
  const { take } = withJobs('a');
  take(started('a', 1));
  take(executing('a', '2', 2));
  // Its outputs are had from history then.
  take({ tag: 'garbled', clientId: 'c', at: 3 });
  take({ tag: 'succeeded', promptId: 'a', at: 4 });
  expect(take(picture(5))).toEqual([]);
  const ended = take({ tag: 'ended', promptId: 'a', at: 700, outcome: [anOutput('2')] });
  expect(ended).toMatchObject([{ tag: 'state', state: { outputs: [anOutput('2')] } }]);
});

test('nor nobody’s because of that: it is of the job that runs', () => {
  const { take } = withJobs('a', 'b');
  take(started('a', 1));
  take({ tag: 'garbled', clientId: 'c', at: 3 });
  take({ tag: 'succeeded', promptId: 'a', at: 4 });
  take(started('b', 5));
  take(executing('b', '2', 6));
  expect(take(picture(7)).map(({ tag }) => tag)).toContain('pictured');
});

test('of two jobs, the end of one of which was missed, it is of that which was heard last', () => {
  const { take } = withJobs('a', 'b');
  take(started('a', 1));
  take(executing('a', '2', 2));
  take(started('b', 5));
  take(executing('b', '2', 6));
  expect(take(picture(7))).toMatchObject([{ preview: { promptId: 'b' } }, { picture: { promptId: 'b' } }, {}]);
});

test('[R6] each job is looked up after a reconnect, whatever frame comes before the look', () => {
  const { board, take } = withJobs('a', 'b');
  board.due(SERVER, 900);
  for (const promptId of ['a', 'b']) take({ tag: 'found', promptId, where: 'pending', at: 901 });
  take(started('a', 1_000));
  take({ tag: 'unlinked', clientId: 'c', at: 60_000, clean: false });
  take({ tag: 'linked', clientId: 'c', at: 60_500 });
  take({ tag: 'resumed', clientId: 'c', nodeId: '2', at: 60_510 });
  const looks = firstLooks(board, 60_500);
  expect(looks['a']).toBeLessThan(1_000);
  expect(looks['b']).toBeLessThan(1_000);
});

test('a job whose workflow is not known is looked up as it starts, though other frames follow at once', () => {
  const { board, take } = withJobs();
  take({ tag: 'opened', job: jobOf(aState({ promptId: 'a' }), { accepted: true }) });
  board.due(SERVER, 100);
  take({ tag: 'found', promptId: 'a', where: 'pending', at: 101 });
  take(started('a', 40_000));
  take({ tag: 'cached', promptId: 'a', nodeIds: [], at: 40_001 });
  take(executing('a', '1', 40_002));
  expect(firstLooks(board, 40_000)['a']).toBeLessThan(1_000);
});

test('whoever takes a job up keeps the pictures that it had sent before, and names the next as those that follow', () => {
  const before = withJobs('a');
  const named = { promptId: 'a', nodeId: '2' };
  before.take(started('a', 1));
  before.take(executing('a', '2', 2));
  for (const at of [3, 4]) before.take(picture(at, named));
  const { board: _, take, states } = withJobs();
  const state = takenOver(before.states.at(-1)!, 10);
  take({ tag: 'opened', job: jobOf(state, { graph: sending, accepted: true }) });
  take(executing('a', '3', 12));
  take(picture(13, { promptId: 'a', nodeId: '3' }));
  take({ tag: 'succeeded', promptId: 'a', at: 14 });
  take({ tag: 'ended', promptId: 'a', at: 15, outcome: [] });
  const end = states.at(-1);
  const names = end?.outputs?.map((output) => ('filename' in output ? output.filename : ''));
  expect(names).toEqual(['picture_00001.png', 'picture_00002.png', 'picture_00003.png']);
  expect(end?.pictures).toBeUndefined();
});

test('updatedAt does not fall where the clock of whoever takes a job up is behind', () => {
  expect(takenOver(aState({ updatedAt: 10_000 }), 9_000).updatedAt).toBe(10_000);
});

test('nobody knows when a job starts that waits behind one whose workflow is not known', () => {
  const { board, take } = withJobs('b');
  const { clientId: _, ...tracked } = aState({ promptId: 't' });
  take({ tag: 'opened', job: jobOf({ ...tracked, session: 'c' }, { accepted: true }) });
  take({ tag: 'found', promptId: 't', where: 'pending', ahead: 0, at: 100 });
  take({ tag: 'found', promptId: 'b', where: 'pending', ahead: 1, at: 100 });
  expect(board.job('b')?.state).toMatchObject({ queuePosition: 1 });
  expect(board.job('b')?.state.etaMs).toBeUndefined();
});

test('a run whose end a look told teaches no times: its last frames were missed; one that told its end itself does', () => {
  const { take } = withJobs('a', 'b');
  const measured = (promptId: string, end: BoardEvent): number => {
    take(started(promptId, 1));
    take(executing(promptId, '2', 2));
    return take(end).filter(({ tag }) => tag === 'measured').length;
  };
  expect(measured('a', { tag: 'ended', promptId: 'a', at: 4_000, outcome: [anOutput('2')] })).toBe(0);
  expect(measured('b', { tag: 'succeeded', promptId: 'b', at: 1_000 })).toBe(1);
});
