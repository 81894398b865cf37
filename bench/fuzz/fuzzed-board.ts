import { decoded } from '../../sources/session';
import { jobBoard } from '../../streams/board/board';
import { jobOf, queuedState } from '../../streams/job/job';
import type { JobState } from '../../streams/job/job-state';
import { defaultTiming } from '../../streams/job/timing';
import { graphOf } from '../../streams/job/workflow';
import { mutatedFrame, recordedJobs, seeded } from './mutated-frames';

/** What became of the frames, how often. */
export type Outcomes = Record<string, number>;

/** A frame that did what no frame may. */
export class FuzzFailure extends Error {
  override readonly name = 'FuzzFailure';
}

const origin = { clientId: 'c', serverUrl: 'http://comfyui' };
/** How many frames jobs live through before they are taken up anew. */
const LIFE = 1_000;

const graph = graphOf({
  '1': { class_type: 'EmptyImage', inputs: {} },
  '2': { class_type: 'StepsWithProgress', inputs: { image: ['1', 0], steps: 10 } },
  '4': { class_type: 'SaveImage', inputs: { images: ['2', 0] } },
});

/**
 * Sends `count` mutated frames through the decoding and the reduction that the service uses. Throws a `FuzzFailure`,
 * which holds the frame, where one makes our code throw or a state what no state may be.
 */
export function fuzzedBoard(seed: number): (count: number) => Outcomes {
  const random = seeded(seed);
  const board = jobBoard(defaultTiming, (where, error) => {
    throw new FuzzFailure(`seed ${seed}: ${where}`, { cause: error });
  });
  const progress = new Map<string, number>();
  let sent = 0;

  const takeUp = (at: number): void => {
    progress.clear();
    for (const promptId of recordedJobs) {
      board.take({ tag: 'released', promptId });
      const state = queuedState({ promptId, type: 'fuzz', userId: 'u', serverUrl: origin.serverUrl, at });
      board.take({ tag: 'opened', job: jobOf({ ...state, clientId: origin.clientId }, { graph, accepted: true }) });
    }
  };
  const check = (state: JobState): void => {
    const before = progress.get(state.promptId) ?? 0;
    progress.set(state.promptId, state.progress);
    const wrong = complaint(state, before);
    if (wrong !== undefined) throw new Error(`${wrong}: ${JSON.stringify(state)}`);
  };

  return (count) => {
    const outcomes: Outcomes = {};
    const note = (outcome: string): void => {
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    };
    for (let index = 0; index < count; index++, sent++) {
      if (sent % LIFE === 0) {
        takeUp(sent);
        board.take({ tag: 'linked', clientId: origin.clientId, at: sent });
      }
      const { bytes, isBinary } = mutatedFrame(random);
      try {
        const events = decoded(bytes, isBinary, { ...origin, at: sent }, () => note('malformed'));
        for (const event of events) {
          if (event.tag !== 'garbled') note(event.tag);
          for (const change of board.take(event)) if (change.tag === 'state') check(change.state);
        }
        if (events.length === 0) note('ignored');
        if (sent % 64 === 0) board.reopenIfDeaf(origin.clientId, sent + 1e6 * random());
      } catch (cause) {
        const shown = isBinary ? bytes.toString('base64') : bytes.toString().slice(0, 2_000);
        throw new FuzzFailure(`seed ${seed}, frame ${sent}, ${isBinary ? 'binary' : 'text'}: ${shown}`, { cause });
      }
    }
    if ('polluted' in {}) throw new FuzzFailure(`seed ${seed}: Object.prototype is polluted`);
    return outcomes;
  };
}

/** What no state may be (R2), nor what a store would not give back as it was. */
function complaint({ status, progress, node, queuePosition }: JobState, before: number): string | undefined {
  if (!(progress >= before)) return 'progress falls';
  if (progress !== Number(progress.toFixed(1))) return 'progress has more than one decimal';
  if (status === 'completed' ? progress !== 100 : progress >= 100) return 'progress does not fit its status';
  const numbers = [node?.value, node?.max, queuePosition].filter((number) => number !== undefined);
  return numbers.every(Number.isFinite) ? undefined : 'a number is none';
}
