import { advance } from '../streams/job/advance/advance';
import type { NodeSnapshot } from '../streams/job/job-event';
import { jobOf, queuedState, type Job } from '../streams/job/job';
import { shownAt } from '../streams/job/progress/bar';
import { planOf } from '../streams/job/progress/plan/plan';
import { runClock, withCached } from '../streams/job/progress/run-clock';
import { snapshot } from '../streams/job/progress/run-events';
import { defaultTiming } from '../streams/job/timing';
import { graphOf, type Graph } from '../streams/job/workflow';

/** `npm run bench:bar`: what the bar costs a frame, with so many nodes in the workflow, one of which counts; and the first frame. */
const FRAMES = 20_000;

function graphWith(nodes: number): Graph {
  const workflow: Record<string, unknown> = {};
  for (let n = 0; n < nodes; n++) {
    const class_type = n % 10 === 0 ? 'KSampler' : n === nodes - 1 ? 'SaveImage' : 'ImageScale';
    workflow[n] = { class_type, inputs: { image: [String(n - 1), 0], steps: 20, width: 512 } };
  }
  return graphOf(workflow);
}

/** All nodes but the last two done; the one before the last has counted to `value`. The same array each time, as it is not kept. */
function snapshotsOf(nodes: number): (value: number) => readonly NodeSnapshot[] {
  const seen: NodeSnapshot[] = Array.from({ length: nodes - 1 }, (_, n) => ({
    id: String(n),
    value: 1,
    max: 1,
    finished: true,
  }));
  return (value) => {
    seen[nodes - 2] = { id: String(nodes - 2), value, max: FRAMES, finished: false };
    return seen;
  };
}

/** The processor's time of one of `FRAMES` calls, in µs. */
function microseconds(call: (n: number) => void): number {
  call(0);
  const began = process.cpuUsage();
  for (let n = 1; n < FRAMES; n++) call(n);
  const { user, system } = process.cpuUsage(began);
  return (user + system) / FRAMES;
}

/** Of a job's whole step from state to state. */
function wholeStep(nodes: number): number {
  const state = queuedState({ promptId: 'p', type: 't', userId: 'u', serverUrl: 's', at: 0 });
  let job: Job = jobOf(state, { graph: graphWith(nodes), accepted: true, linked: true });
  const seen = snapshotsOf(nodes);
  const took = microseconds((n) => {
    job = advance(job, { promptId: 'p', at: 1_000 + n * 50, tag: 'snapshot', nodes: seen(n) }, defaultTiming);
  });
  if (job.state.node?.value !== FRAMES - 1) throw new Error('the last frame was not counted');
  return took;
}

/** Of that, the bar's part. */
function estimate(nodes: number): number {
  let run = runClock(planOf(graphWith(nodes)), { at: 0 });
  const seen = snapshotsOf(nodes);
  return microseconds((n) => {
    const at = 1_000 + n * 50;
    run = shownAt(snapshot(run, seen(n), at), at).run;
  });
}

/** Of a run that begins: its plan, what its nodes are expected to take, and again once it is known which are cached. */
function firstFrames(nodes: number): number {
  const graph = graphWith(nodes);
  const began = process.cpuUsage();
  withCached(runClock(planOf(graph), { at: 0 }), ['0', '1']);
  const { user, system } = process.cpuUsage(began);
  return (user + system) / 1_000;
}

wholeStep(60);
for (const nodes of [10, 60, 300, 1_000])
  console.log(
    `${nodes} nodes: ${estimate(nodes).toFixed(1)} µs a frame, of ${wholeStep(nodes).toFixed(1)} from state to state`,
  );
for (const nodes of [60, 1_000, 10_000]) console.log(`${nodes} nodes: ${firstFrames(nodes).toFixed(1)} ms to begin`);
