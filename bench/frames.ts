/** `npm run bench`: what a frame costs us beside what its bare JSON.parse costs, side by side in one run. */
import { decoded } from '../sources/session';
import { jobBoard, type Board } from '../streams/board/board';
import { jobOf, queuedState } from '../streams/job/job';
import { defaultTiming } from '../streams/job/timing';
import { graphOf, type Workflow } from '../streams/job/workflow';
import { exchangesOf, framesOf, recordingOf } from '../test/support/replay/recordings';

interface Load {
  readonly name: string;
  readonly promptId: string;
  readonly workflow: Workflow;
  readonly frames: readonly Buffer[];
}

const ROUNDS = 15;
const FRAMES_A_ROUND = 4_000;

/** A real job: 80 steps, each told by a `progress_state` and a `progress`. */
function recorded(): Load {
  const recording = recordingOf('0.33.0', 'reconnect-same-client');
  const post = exchangesOf(recording).find(({ path }) => path === '/prompt');
  const { prompt } = post?.body as { prompt: Workflow };
  const { prompt_id: promptId } = post?.response as { prompt_id: string };
  const frames = framesOf(recording).filter((frame) => typeof frame === 'string' && frame.includes('"progress'));
  return { name: 'recorded', promptId, workflow: prompt, frames: frames.map((text) => Buffer.from(text as string)) };
}

/** A job of 60 nodes, each of ten steps, in the words of 0.33.0: its last frames are 12 KB. */
function synthetic(): Load {
  const promptId = '00000000-0000-4000-8000-000000000060';
  const ids = Array.from({ length: 60 }, (_, index) => String(index + 1));
  const workflow = Object.fromEntries(
    ids.map((id) => [
      id,
      { class_type: 'KSampler', inputs: { steps: 10, ...(id !== '1' && { latent: [String(Number(id) - 1), 0] }) } },
    ]),
  );
  const state = (id: string, value: number) => ({
    value,
    max: 10,
    state: value === 10 ? 'finished' : 'running',
    node_id: id,
    prompt_id: promptId,
    display_node_id: id,
    parent_node_id: null,
    real_node_id: id,
  });
  const frames = ids.flatMap((_, at) =>
    [2, 4, 6, 8, 10].map((value) => {
      const nodes = Object.fromEntries(
        ids.slice(0, at + 1).map((id, index) => [id, state(id, index < at ? 10 : value)]),
      );
      return Buffer.from(pythonJson({ type: 'progress_state', data: { prompt_id: promptId, nodes } }));
    }),
  );
  return { name: '60 nodes', promptId, workflow, frames };
}

/** As Python writes it: a space after each `:` and `,`. */
const pythonJson = (value: unknown): string =>
  JSON.stringify(value, undefined, 1)
    .replace(/\n\s*/g, ' ')
    .replace(/([{[]) /g, '$1')
    .replace(/ ([}\]])/g, '$1');

const origin = { clientId: 'c', serverUrl: 'http://comfyui', at: 0 };
const report = (where: string, error: unknown): never => {
  throw new Error(where, { cause: error });
};

/** A board on which the job is taken up, alone. */
function boardOf({ promptId, workflow }: Load): Board {
  const board = jobBoard(defaultTiming);
  const state = queuedState({ promptId, type: 'bench', userId: 'u', serverUrl: origin.serverUrl, at: 0 });
  board.take({
    tag: 'opened',
    job: jobOf({ ...state, clientId: origin.clientId }, { graph: graphOf(workflow), accepted: true }),
  });
  return board;
}

/** What is done with the frames of a load, one life of its job after the other. */
const ways: Readonly<Record<string, (load: Load) => void>> = {
  'JSON.parse': ({ frames }) => {
    for (const frame of frames) JSON.parse(frame.toString());
  },
  decode: ({ frames }) => {
    for (const frame of frames) decoded(frame, false, origin, report);
  },
  'decode, reduce': (load) => {
    const board = boardOf(load);
    for (const frame of load.frames) for (const event of decoded(frame, false, origin, report)) board.take(event);
  },
};

/** Microseconds a frame. */
function cost(way: (load: Load) => void, load: Load): number {
  const lives = Math.ceil(FRAMES_A_ROUND / load.frames.length);
  const start = performance.now();
  for (let life = 0; life < lives; life++) way(load);
  return ((performance.now() - start) * 1_000) / (lives * load.frames.length);
}

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;

for (const load of [recorded(), synthetic()]) {
  const costs = new Map<string, number[]>(Object.keys(ways).map((name) => [name, []]));
  // Each round runs every way once, so that whatever else the machine does befalls all alike.
  for (let round = 0; round < ROUNDS; round++)
    for (const [name, way] of Object.entries(ways)) costs.get(name)?.push(cost(way, load));
  const bare = median(costs.get('JSON.parse') ?? []);
  const bytes = load.frames.reduce((sum, frame) => sum + frame.length, 0) / load.frames.length;
  const largest = Math.max(...load.frames.map((frame) => frame.length));
  console.log(
    `${load.name}: ${load.frames.length} frames of ${Math.round(bytes)} bytes on average, ${largest} at most`,
  );
  for (const [name, rounds] of costs) {
    const micros = median(rounds);
    console.log(`  ${name.padEnd(16)} ${micros.toFixed(1).padStart(7)} µs a frame   × ${(micros / bare).toFixed(2)}`);
  }
}
