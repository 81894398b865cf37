import { isAtServer, jobOf, type Job } from '../../../../streams/job/job';
import type { JobState } from '../../../../streams/job/job-state';
import { advance, aState, finished, running, told } from '../a-job';
import { graph } from './a-run';

const STEPS = 3_000;
const SECOND = 1_000;

/** Loads for two minutes, prepares for four, trains for 85 minutes at steps that differ by a fifth, and saves. */
const training = graph({
  '1': ['CheckpointLoaderSimple', { ckpt_name: 'sdxl.safetensors' }],
  '2': ['MakeTrainingDataset', { vae: ['1', 2] }],
  '3': ['TrainLoraNode', { model: ['1', 0], latents: ['2', 0], steps: STEPS }],
  '4': ['SaveLoRA', { lora: ['3', 0] }],
});
const TRAINS_FROM = 360 * SECOND;
const stepAt = (n: number): number => TRAINS_FROM + n * 1.7 * SECOND + 0.17 * SECOND * Math.sin(n * 12.9);
const END = stepAt(STEPS) + 4 * SECOND;

/** What a service that starts now makes of the stored state; its socket opens at once. */
const takenUp = (state: JobState): Job => jobOf(state, { graph: training, accepted: true, linked: true });

/** The job's states from `from` to `to` ms, as snapshots of its steps and the clock of bars tell them. */
function watched(job: Job, from: number, to: number): { readonly job: Job; readonly states: readonly JobState[] } {
  const states: JobState[] = [];
  let now = job;
  const take = (fact: Parameters<typeof told>[0], at: number): void => {
    now = advance(now, told(fact, at));
    states.push(now.state);
  };
  if (from === 0) {
    take({ tag: 'started' }, 0);
    take({ tag: 'cached', nodeIds: [] }, 0);
    take({ tag: 'snapshot', nodes: [running('1', 0, 1)] }, 0);
  }
  for (let at = from + SECOND; at < to; at += SECOND) {
    const step = Math.floor((at - TRAINS_FROM) / (1.7 * SECOND));
    if (at === 120 * SECOND) take({ tag: 'snapshot', nodes: [finished('1'), running('2', 0, 1)] }, at);
    if (at === TRAINS_FROM) take({ tag: 'snapshot', nodes: [finished('1'), finished('2'), running('3', 0, 1)] }, at);
    if (step > 0 && stepAt(step) > at - SECOND && stepAt(step) <= at)
      take({ tag: 'snapshot', nodes: [finished('1'), finished('2'), running('3', step, STEPS)] }, stepAt(step));
    take({ tag: 'ticked' }, at);
  }
  return { job: now, states };
}

test('[R2] a training of an hour and a half: the bar goes on where it was after each restart, and the end is told to a tenth within ten seconds', () => {
  const restarts = [0.2, 0.6].map((share) => Math.round((share * END) / SECOND) * SECOND);
  let state: JobState = aState();
  const all: JobState[] = [];
  for (const [n, from] of [0, ...restarts].entries()) {
    const to = [...restarts, END][n] ?? END;
    // Between two services thirty seconds are missed.
    const began = n === 0 ? 0 : from + 30 * SECOND;
    const { job, states } = watched(takenUp(state), began, to);
    expect(isAtServer(job)).toBe(true);
    const settledIn = states.filter(({ updatedAt }) => n > 0 && updatedAt > began + 10 * SECOND);
    const isOff = ({ updatedAt, etaMs = Infinity, progress }: JobState): boolean =>
      Math.abs(progress - (100 * updatedAt) / END) >= 5 ||
      (updatedAt < 0.95 * END && Math.abs(etaMs / (END - updatedAt) - 1) >= 0.1);
    expect(settledIn.filter(isOff)).toEqual([]);
    all.push(...states);
    state = job.state;
  }
  expect(all.filter(({ progress }, n) => progress < (all[n - 1]?.progress ?? 0))).toEqual([]);
  expect(all.at(-1)?.progress).toBeGreaterThan(98);
});
