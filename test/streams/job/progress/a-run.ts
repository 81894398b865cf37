import type { NodeSnapshot } from '../../../../streams/job/job-event';
import { shownAt, type Shown } from '../../../../streams/job/progress/bar';
import { planOf } from '../../../../streams/job/progress/plan/plan';
import { runClock, type RunClock, type RunStart } from '../../../../streams/job/progress/run-clock';
import { graphOf } from '../../../../streams/job/workflow';

/** Nodes by id: a class, and inputs. */
export type Nodes = Readonly<Record<string, readonly [type: string, inputs?: Readonly<Record<string, unknown>>]>>;

export const workflow = (nodes: Nodes): Record<string, unknown> =>
  Object.fromEntries(Object.entries(nodes).map(([id, [class_type, inputs = {}]]) => [id, { class_type, inputs }]));

export const graph = (nodes: Nodes) => graphOf(workflow(nodes));

/** A run of these nodes that begins at 0. */
export const aRun = (nodes: Nodes, start: Partial<RunStart> = {}): RunClock =>
  runClock(planOf(graph(nodes)), { at: 0, ...start });

export const running = (id: string, value = 0, max = 1): NodeSnapshot => ({ id, value, max, finished: false });
export const finished = (id: string, value = 1, max = 1): NodeSnapshot => ({ id, value, max, finished: true });

/** The bar at these times, one after the other, while nothing else happens. */
export function shownAtTimes(run: RunClock, times: readonly number[]): readonly Shown[] {
  let at = run;
  return times.map((time) => {
    const shown = shownAt(at, time);
    at = shown.run;
    return shown;
  });
}

/** Loads, samples ten steps, decodes, saves. */
export const sampling: Nodes = {
  '1': ['CheckpointLoaderSimple', { ckpt_name: 'sd.safetensors' }],
  '2': ['KSampler', { model: ['1', 0], steps: 10, seed: 1 }],
  '3': ['VAEDecode', { samples: ['2', 0] }],
  '4': ['SaveImage', { images: ['3', 0] }],
};
