import { isLeft } from 'fp-ts/Either';
import { decodeFrame } from '../../../sources/codecs/frame.codec';
import { frameEvents } from '../../../sources/codecs/frame-events';
import type { BoardEvent } from '../../../streams/board/board';
import { framesOf, recordingOf } from '../../support/replay/recordings';

const origin = { clientId: 'c', serverUrl: 'http://comfyui', at: 7 };

/** What a frame tells the board. */
function events(text: string): readonly BoardEvent[] {
  const decoded = decodeFrame(text);
  if (isLeft(decoded)) throw decoded.left;
  return decoded.right === undefined ? [] : frameEvents(decoded.right, origin);
}
const told = (type: string, data: unknown): readonly BoardEvent[] => events(JSON.stringify({ type, data }));
const ofP = { promptId: 'p', at: 7 };

test('`status` tells how many jobs the server has in hand', () => {
  expect(told('status', { status: { exec_info: { queue_remaining: 3 } }, sid: 'c' })).toEqual([
    { tag: 'queueLength', serverUrl: 'http://comfyui', clientId: 'c', remaining: 3, at: 7 },
  ]);
});

test('`execution_start` is where a job starts', () => {
  expect(told('execution_start', { prompt_id: 'p', timestamp: 1 })).toEqual([{ ...ofP, tag: 'started', saidAt: 1 }]);
});

test('`execution_cached` names the nodes that will not run', () => {
  expect(told('execution_cached', { prompt_id: 'p', nodes: ['1', '4'] })).toEqual([
    { ...ofP, tag: 'cached', nodeIds: ['1', '4'] },
  ]);
});

test('`executing` names the node at work, and the one that it is shown as', () => {
  expect(told('executing', { prompt_id: 'p', node: '5.0.0.1', display_node: '5' })).toEqual([
    { ...ofP, tag: 'executing', nodeId: '5.0.0.1', displayId: '5' },
  ]);
});

test('[R5] `executing` without a job is of the session’s running job', () => {
  for (const nobody of [{}, { prompt_id: null }])
    expect(told('executing', { node: '2', ...nobody })).toEqual([
      { tag: 'resumed', clientId: 'c', at: 7, nodeId: '2' },
    ]);
});

test('[R3] `executing` without a node follows each end and says nothing', () => {
  expect(told('executing', { node: null, prompt_id: 'p' })).toEqual([]);
  expect(told('executing', { node: null })).toEqual([]);
});

test('`progress` tells a step, of a node where it names one', () => {
  expect(told('progress', { value: 1, max: 10, prompt_id: 'p', node: '2' })).toEqual([
    { ...ofP, tag: 'stepped', nodeId: '2', value: 1, max: 10 },
  ]);
  expect(told('progress', { value: 1, max: 10, prompt_id: 'p', node: null })).toEqual([
    { ...ofP, tag: 'stepped', value: 1, max: 10 },
  ]);
});

test('[R5] `progress` without a job is nobody’s', () => {
  expect(told('progress', { value: 1, max: 10, node: '2' })).toEqual([]);
});

test('`progress_state` is a snapshot of the nodes that have started', () => {
  const nodes = {
    '2': {
      value: 3,
      max: 10,
      state: 'running',
      node_id: '2',
      display_node_id: '2',
      parent_node_id: null,
      real_node_id: '2',
    },
    '5.0.0.1': { value: 1, max: 1, state: 'finished', parent_node_id: '5', display_node_id: '5' },
  };
  expect(told('progress_state', { prompt_id: 'p', nodes })).toEqual([
    {
      ...ofP,
      tag: 'snapshot',
      nodes: [
        { id: '2', value: 3, max: 10, finished: false, displayId: '2' },
        { id: '5.0.0.1', value: 1, max: 1, finished: true, parentId: '5', displayId: '5' },
      ],
    },
  ]);
});

test('[R16] `progress_state` of a node under an id that is too long is left out, and the others are not', () => {
  const running = { value: 1, max: 2, state: 'running' };
  const nodes = { ['.'.repeat(2_001)]: running, ['.'.repeat(2_000)]: running, '2': running };
  expect(told('progress_state', { prompt_id: 'p', nodes })).toMatchObject([
    { nodes: [{ id: '2' }, { id: '.'.repeat(2_000) }] },
  ]);
});

test('`progress_state` of a node in any other state is of one that is not finished', () => {
  const nodes = { '2': { value: 3, max: 10, state: 'error' } };
  expect(told('progress_state', { prompt_id: 'p', nodes })).toMatchObject([{ nodes: [{ id: '2', finished: false }] }]);
});

test('`executed` names the files and texts of an output node, of whatever kind', () => {
  const output = {
    images: [{ filename: 'a.png', subfolder: 'x', type: 'output' }, { filename: 'b.png' }],
    gifs: [{ filename: 'c.mp4', subfolder: '', type: 'temp', format: 'video/h264-mp4' }],
    text: ['a caption'],
    result: ['mesh/a.glb', { position: [1] }, 'b.ply [temp]', 'no model'],
    animated: [true],
    score: [null, 3],
  };
  expect(told('executed', { prompt_id: 'p', node: '4', output })).toEqual([
    {
      ...ofP,
      tag: 'executed',
      nodeId: '4',
      outputs: [
        { nodeId: '4', kind: 'images', filename: 'a.png', subfolder: 'x', type: 'output' },
        { nodeId: '4', kind: 'images', filename: 'b.png', subfolder: '', type: 'output' },
        { nodeId: '4', kind: 'gifs', filename: 'c.mp4', subfolder: '', type: 'temp' },
        { nodeId: '4', kind: 'text', text: 'a caption' },
        { nodeId: '4', kind: 'result', filename: 'a.glb', subfolder: 'mesh', type: 'output' },
        { nodeId: '4', kind: 'result', filename: 'b.ply', subfolder: '', type: 'temp' },
      ],
    },
  ]);
});

test.each([[null], [undefined], [{}], [{ images: null }], [{ images: [null, 'a.png', {}] }]])(
  '`executed` with the output %j names no file',
  (output) => {
    expect(told('executed', { prompt_id: 'p', node: '4', output })).toMatchObject([{ tag: 'executed', outputs: [] }]);
  },
);

test('`execution_success` is the end of what frames tell', () => {
  expect(told('execution_success', { prompt_id: 'p', timestamp: 1 })).toEqual([
    { ...ofP, tag: 'succeeded', saidAt: 1 },
  ]);
});

test('`execution_error` is a failure at its node', () => {
  const data = {
    prompt_id: 'p',
    node_id: '2',
    node_type: 'Bad',
    exception_message: 'No.',
    exception_type: 'ValueError',
  };
  expect(told('execution_error', data)).toEqual([
    {
      ...ofP,
      tag: 'broke',
      failure: { kind: 'node_error', message: 'No.', nodeId: '2', nodeType: 'Bad', retryable: false },
    },
  ]);
});

test('`execution_interrupted` is an interrupt, not a failure of the node', () => {
  expect(
    told('execution_interrupted', { prompt_id: 'p', node_id: '2', node_type: 'Slow', executed: [] }),
  ).toMatchObject([{ tag: 'broke', failure: { kind: 'interrupted', nodeId: '2', nodeType: 'Slow', retryable: true } }]);
});

test('every event of a session’s frames is of the job that it names', () => {
  const all = framesOf(recordingOf('0.33.0', 'queued-behind-others')).flatMap((frame) =>
    typeof frame === 'string' ? events(frame) : [],
  );
  const jobs = new Set(all.flatMap((event) => ('promptId' in event ? [event.promptId] : [])));
  expect(jobs.size).toBe(3);
  expect(all.filter((event) => event.tag === 'succeeded')).toHaveLength(3);
});

test('ids may be numbers', () => {
  const id = { prompt_id: 4711 };
  const of4711 = { promptId: '4711', at: 7 };
  expect(told('execution_cached', { ...id, nodes: [1, '4'] })).toEqual([
    { ...of4711, tag: 'cached', nodeIds: ['1', '4'] },
  ]);
  expect(told('executing', { ...id, node: 5, display_node: 6 })).toEqual([
    { ...of4711, tag: 'executing', nodeId: '5', displayId: '6' },
  ]);
  expect(told('executing', { node: 5 })).toMatchObject([{ tag: 'resumed', nodeId: '5' }]);
  expect(told('progress', { ...id, node: 0, value: 1, max: 2 })).toMatchObject([{ ...of4711, nodeId: '0' }]);
  expect(told('executed', { ...id, node: 4, output: { text: ['a'] } })).toEqual([
    { ...of4711, tag: 'executed', nodeId: '4', outputs: [{ nodeId: '4', kind: 'text', text: 'a' }] },
  ]);
  expect(told('execution_success', id)).toEqual([{ ...of4711, tag: 'succeeded' }]);
});

test('an end is an end however little, or oddly, it is told of', () => {
  for (const odd of [{}, { node_id: null, node_type: 7, exception_message: { en: 'No.' }, exception_type: [] }])
    expect(told('execution_error', { prompt_id: 'p', ...odd })).toEqual([
      {
        ...ofP,
        tag: 'broke',
        failure: { kind: 'node_error', message: 'The node failed without a message.', retryable: false },
      },
    ]);
});
