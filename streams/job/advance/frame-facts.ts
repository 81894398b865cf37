import { bounds } from '../../bounds';
import { heardStage, notAbsent, type AtServer, type Job, type RunFacts } from '../job';
import type { FrameFact, JobEvent } from '../job-event';
import { isFile, type JobOutput, type JobState } from '../job-state';
import { shownAt } from '../progress/bar';
import { withCached, type RunClock } from '../progress/run-clock';
import { executed, executing, snapshot, stepped } from '../progress/run-events';
import type { Timing } from '../timing';
import { asAsked, begun, heardOutputs, running } from './at-server';
import { completed, failed, runOf, withShown } from './derive';
import { lookedUpAt, owingLook } from './next-look';

/** The job after a frame about it. */
export function afterFrame(job: Job<AtServer>, event: JobEvent & FrameFact, timing: Timing): Job {
  const { at } = event;
  switch (event.tag) {
    case 'started':
      return started(job, event, timing);
    case 'cached':
      return onRun(job, at, timing, (run) => withCached(run, event.nodeIds));
    case 'executing':
      return onRun(job, at, timing, (run) => executing(run, event.nodeId, at, event.displayId));
    case 'stepped':
      return onRun(job, at, timing, (run) => stepped(run, event.nodeId, event.value, event.max, cameAt(event, run)));
    case 'snapshot':
      return onRun(job, at, timing, (run) => snapshot(run, event.nodes, cameAt(event, run)));
    case 'executed':
      return onRun(given(job, event), at, timing, (run) => executed(run, event.nodeId, at));
    case 'pictured':
      return pictured(job, event, timing);
    case 'succeeded':
      return succeeded(job, at, timing);
    case 'broke':
      return failed(job, asAsked(job, event.failure), at, heardOutputs(job));
  }
}

/**
 * After `execution_start` no frame of the run is missed. A job without a known workflow, after a restart say, is looked
 * up now: the queue names its workflow.
 */
function started(job: Job<AtServer>, { at, saidAt }: FrameFact & JobEvent & { tag: 'started' }, timing: Timing): Job {
  const { stage } = job;
  const whole = stage.tag === 'watched' ? { ...stage, whole: true } : stage;
  const run = runOf(job, begun(job.state, at), at);
  const after = heard({ ...job, stage: whole }, at, timing, { run: run.startedAt === at ? { ...run, saidAt } : run });
  return job.graph.size === 0 ? owingLook(after, at) : after;
}

/** R3: completes the job if no frame was missed; else its outputs are read from history, at once. */
function succeeded(job: Job<AtServer>, at: number, timing: Timing): Job {
  const { stage } = job;
  if (stage.tag === 'watched' && stage.whole) return completed(job, heardOutputs(job), at);
  const { tag: _t, whole: _w, ...facts } = { whole: false, ...stage };
  return lookedUpAt(heard({ ...job, stage: { ...facts, tag: 'fetchingOutputs' } }, at, timing), at);
}

/**
 * The job with a node's outputs. If the run's outputs would exceed the bound (R16), these are not kept, and all are
 * read from history at its end (R3).
 */
function given(job: Job<AtServer>, { nodeId, outputs }: FrameFact & { tag: 'executed' }): Job<AtServer> {
  const { stage } = job;
  const before = stage.outputs.get(nodeId);
  const outputBytes = stage.outputBytes + bytesOf(nodeId, outputs) - (before ? bytesOf(nodeId, before) : 0);
  if (outputBytes <= bounds.heldOutputsBytes)
    return knowing(job, { outputs: stage.outputs.with(nodeId, outputs), outputBytes });
  return stage.tag === 'watched' ? { ...job, stage: { ...stage, whole: false } } : job;
}

const bytesOf = (nodeId: string, outputs: readonly JobOutput[]): number =>
  outputs.reduce(
    (sum, output) => sum + OUTPUT_BYTES + (isFile(output) ? output.filename + output.subfolder : output.text).length,
    NODE_BYTES + nodeId.length,
  );
/** About the bytes of a node with outputs, and of one output, besides their texts. */
const [NODE_BYTES, OUTPUT_BYTES] = [100, 100];

/**
 * The job with one more picture, if its name is new. Its state names it too, for an instance that takes the job up:
 * history does not.
 */
function pictured(
  job: Job<AtServer>,
  { output, bytes, at }: JobEvent & FrameFact & { tag: 'pictured' },
  timing: Timing,
): Job {
  const { pictures, pictureBytes } = job.stage;
  if (pictures.some(({ filename }) => filename === output.filename)) return heard(job, at, timing);
  const known = [...pictures, output];
  const kept = knowing(job, { pictures: known, pictureBytes: pictureBytes + bytes });
  return heard(kept, at, timing, { news: { pictures: known } });
}

/** When a frame came, which may have waited before it was read; not before its run began. */
const cameAt = (
  { at, cameAt = at }: { readonly at: number; readonly cameAt?: number },
  { startedAt }: RunClock,
): number => Math.min(at, Math.max(startedAt, cameAt));

const knowing = (job: Job<AtServer>, facts: Partial<RunFacts>): Job<AtServer> => ({
  ...job,
  stage: { ...job.stage, ...facts },
});

/** The job after a frame that changed its run. */
const onRun = (job: Job<AtServer>, at: number, timing: Timing, change: (run: RunClock) => RunClock): Job =>
  heard(job, at, timing, { run: change(runOf(job, begun(job.state, at), at)) });

/**
 * The job after any frame of its run: it runs, its socket works, and its next look is put off; not one that is owed, or
 * that fetches outputs.
 */
function heard(
  job: Job<AtServer>,
  at: number,
  timing: Timing,
  { run, news }: { readonly run?: RunClock; readonly news?: Pick<JobState, 'pictures'> } = {},
): Job {
  const stage = notAbsent(job.stage);
  const isOwed = stage.tag === 'fetchingOutputs' || stage.lookOwed;
  const nextLookAt = isOwed ? stage.nextLookAt : at + (job.linked ? timing.auditMs : timing.pollMs);
  const runs = running(begun(job.state, at));
  const state: JobState =
    runs.via === 'websocket' && news === undefined ? runs : { ...runs, via: 'websocket', ...news };
  const shown = shownAt(run ?? runOf(job, state, at), at);
  return withShown(job, heardStage(stage, shown.run, at, nextLookAt), shown, state, at);
}
