import { advance } from '../streams/job/advance/advance';
import type { JobEvent, NodeSnapshot } from '../streams/job/job-event';
import { jobOf, queuedState, type Job } from '../streams/job/job';
import { defaultTiming } from '../streams/job/timing';
import { graphOf } from '../streams/job/workflow';

/** `npm run bench:bar`: what the bar costs a frame, with so many nodes in the workflow, one of which counts. */
const FRAMES = 20_000;

function microsecondsAFrame(nodes: number): number {
  const workflow: Record<string, unknown> = {};
  for (let n = 0; n < nodes; n++) {
    const class_type = n % 10 === 0 ? 'KSampler' : n === nodes - 1 ? 'SaveImage' : 'ImageScale';
    workflow[n] = { class_type, inputs: { image: [String(n - 1), 0], steps: 20, width: 512 } };
  }
  const state = queuedState({ promptId: 'p', type: 't', userId: 'u', serverUrl: 's', at: 0 });
  let job: Job = jobOf(state, { graph: graphOf(workflow), accepted: true, linked: true });
  const before: NodeSnapshot[] = Array.from({ length: nodes - 2 }, (_, n) => ({
    ...{ id: String(n), value: 1, max: 1, finished: true },
  }));
  const frames = Array.from({ length: FRAMES }, (_, n): JobEvent => {
    const counting: NodeSnapshot = { id: String(nodes - 2), value: n, max: FRAMES, finished: false };
    return { promptId: 'p', at: 1_000 + n * 50, tag: 'snapshot', nodes: [...before, counting] };
  });
  job = advance(job, frames[0]!, defaultTiming);
  const began = process.cpuUsage();
  for (const frame of frames) job = advance(job, frame, defaultTiming);
  const { user, system } = process.cpuUsage(began);
  if (job.state.node?.value !== FRAMES - 1) throw new Error('the last frame was not counted');
  return (user + system) / FRAMES;
}

microsecondsAFrame(60);
for (const nodes of [10, 60, 300, 1_000])
  console.log(`${nodes} nodes: ${microsecondsAFrame(nodes).toFixed(1)} µs a frame`);
