import type { JobEvent } from './job-event';
import { notAbsent, type Job } from './job';
import { isSettled, type Failure, type JobOutput, type JobState } from './job-state';
import {
  cancelledBeforeRun,
  cancelledFailure,
  lost,
  missingOutput,
  unreadableAnswer,
  unreadableOutput,
} from './failures';
import { withCached, type RunClock } from './progress/run-clock';
import { executed, executing, snapshot, stepped } from './progress/run-events';
import { completed, failed, givenUp, retold, runOf, runsAgain } from './derive';
import { defaultTiming, type Timing } from './timing';

/** Good looks that must find a job nowhere before it is lost (R4), or whose answer cannot be read. */
const LOST_AFTER_LOOKS = 3;

/** What a job is after one more event. Idempotent; never throws; a settled job never changes (R1). */
export function advance(job: Job, event: JobEvent, timing: Timing = defaultTiming): Job {
  if (isSettled(job.state)) return job;
  // Between two runs, what the last one still does is of no interest.
  if (job.runAgain !== undefined && !ofNextRun.has(event.tag)) return job;
  switch (event.tag) {
    case 'started':
      return withWorkflow(heard({ ...job, whole: true }, event, timing), event.at);
    case 'cached':
      return onRun(job, event, timing, (run) => withCached(run, event.nodeIds));
    case 'executing':
      return onRun(job, event, timing, (run) => executing(run, event.nodeId, event.at, event.displayId));
    case 'stepped':
      return onRun(job, event, timing, (run) => stepped(run, event.nodeId, event.value, event.max, event.at));
    case 'snapshot':
      return onRun(job, event, timing, (run) => snapshot(run, event.nodes, event.at));
    case 'executed': {
      const outputs = new Map(job.outputs).set(event.nodeId, event.outputs);
      return onRun({ ...job, outputs }, event, timing, (run) => executed(run, event.nodeId, event.at));
    }
    case 'ticked':
      return job.state.status === 'processing' ? retold(job, job.state, event.at) : job;
    case 'succeeded':
      return job.whole
        ? completed(job, heardOutputs(job), event.at)
        : { ...heard({ ...job, succeeded: true }, event, timing), lookAt: event.at };
    case 'broke':
      return failed(job, asAsked(job, event.failure), event.at, heardOutputs(job));
    case 'pictured':
      return pictured(job, event, timing);
    case 'found':
      return found(job, event, timing);
    case 'ended':
      return ended(job, event);
    case 'absent':
      return absent(job, event.at, timing);
    case 'unended':
      return { ...notAbsent(job), lookAt: event.at + (job.linked ? timing.auditMs : timing.pollMs) };
    case 'unanswered':
      return { ...job, lookAt: event.at + timing.pollMs };
    case 'unreadable':
      return unreadable(job, event.at, timing);
    case 'accepted': {
      const lookAt = event.at + (job.cancelAsked ? timing.soonMs : job.linked ? timing.auditMs : timing.pollMs);
      const state: JobState =
        event.nodeErrors === undefined ? job.state : { ...job.state, nodeErrors: event.nodeErrors };
      return retold({ ...job, accepted: true, lookAt: Math.min(job.lookAt, lookAt) }, state, event.at);
    }
    case 'posting': {
      const { runId, clientId, serverUrl } = event;
      const { runAgain: _, ...rest } = job;
      return retold(rest, { ...job.state, runId, clientId, serverUrl }, event.at);
    }
    case 'refused':
      return givenUp(job, event.failure, event.at, event.nodeErrors);
    case 'abandoned':
      return !job.cancelAsked && runsAgain(job.state, lost) ? failed(job, lost, event.at) : job;
    case 'cancelAsked':
      if (job.runAgain !== undefined) return givenUp(job, cancelledFailure, event.at);
      // Not accepted yet, it is nowhere to be found.
      return {
        ...job,
        cancelAsked: true,
        lookAt: job.accepted ? Math.min(job.lookAt, event.at + timing.soonMs) : job.lookAt,
      };
  }
}

const ofNextRun: ReadonlySet<JobEvent['tag']> = new Set<JobEvent['tag']>(['posting', 'refused', 'cancelAsked']);

/** A job whose workflow is not known, after a restart say, is looked up once it runs: there the workflow is told. */
const withWorkflow = (job: Job, at: number): Job => (job.graph.size === 0 ? { ...job, lookAt: at } : job);

/** A frame told of the run. */
const onRun = (job: Job, event: JobEvent, timing: Timing, change: (run: RunClock) => RunClock): Job =>
  heard({ ...job, run: change(runOf(job, begun(job.state, event.at), event.at)) }, event, timing);

/** A frame came: the job runs, its socket works, and no look is needed for a while. */
function heard(job: Job, { at }: JobEvent, timing: Timing): Job {
  const lookAt = at + (job.linked ? timing.auditMs : timing.pollMs);
  const alive = notAbsent({
    ...job,
    accepted: true,
    heardAt: at,
    lookAt: job.succeeded ? job.lookAt : lookAt,
  });
  return retold(alive, { ...running(begun(job.state, at)), via: 'websocket' }, at);
}

function found(job: Job, event: JobEvent & { tag: 'found' }, timing: Timing): Job {
  const { targets } = event;
  // Each look brings a graph of its own: the first stays, and what was counted by it.
  const graph = job.graph.size > 0 ? job.graph : (event.graph ?? job.graph);
  const isNews = targets !== undefined && targets.join() !== job.targets?.join();
  const known: Job = { ...job, graph, ...(isNews && { targets }) };
  // A job that said it succeeded stays in the queue until its history is written.
  const lookAt = event.at + (job.succeeded ? timing.soonMs : job.linked ? timing.auditMs : timing.pollMs);
  const via = job.linked ? 'websocket' : 'polling';
  const state = event.where === 'running' ? running(begun(job.state, event.at)) : waiting(job.state, event.ahead);
  return retold(notAbsent({ ...known, accepted: true, lookAt }), { ...state, via }, event.at);
}

/** A job at the end that its server tells of: its graph too, where it was not known, by which outputs find their nodes. */
function ended(job: Job, event: JobEvent & { tag: 'ended' }): Job {
  const { outcome, outputs = [], startedAt, graph, at } = event;
  const state = startedAt === undefined ? job.state : begun(job.state, Math.min(startedAt, at));
  const drawn = { ...job, state, graph: job.graph.size === 0 ? (graph ?? job.graph) : job.graph };
  return isFailure(outcome)
    ? failed(drawn, asAsked(drawn, outcome), at, withPictures(drawn, outputs))
    : completed(drawn, withPictures(drawn, outcome), at);
}

/** The job with a picture more. */
function pictured(job: Job, event: JobEvent & { tag: 'pictured' }, timing: Timing): Job {
  if (job.pictures.some(({ filename }) => filename === event.output.filename)) return heard(job, event, timing);
  const pictureBytes = job.pictureBytes + event.bytes;
  return heard({ ...job, pictures: [...job.pictures, event.output], pictureBytes }, event, timing);
}

/** What frames told of: files and texts, and the pictures that no history has. */
const heardOutputs = (job: Job): readonly JobOutput[] => withPictures(job, [...job.outputs.values()].flat());

const withPictures = ({ pictures }: Job, outputs: readonly JobOutput[]): readonly JobOutput[] =>
  pictures.length === 0 ? outputs : outputs.concat(pictures);

/** When the run began, as the earliest says that tells of it. ComfyUI's clock may differ from ours. */
function begun(state: JobState, at: number): JobState {
  const executionStartedAt = Math.max(state.startedAt, Math.min(at, state.executionStartedAt ?? at));
  return executionStartedAt === state.executionStartedAt ? state : { ...state, executionStartedAt };
}

/** R4: only three good looks over ten seconds make a job lost; right after our own cancel, one does. */
function absent(job: Job, at: number, timing: Timing): Job {
  if (!job.accepted) return job;
  if (job.cancelAsked && !job.succeeded) return givenUp(job, cancelled(job), at);
  const absences = { count: job.absences.count + 1, since: job.absences.count === 0 ? at : job.absences.since };
  if (absences.count >= LOST_AFTER_LOOKS && at - absences.since >= timing.lostAfterMs)
    return failed(job, job.succeeded ? missingOutput : lost, at);
  const again = job.succeeded && absences.count < LOST_AFTER_LOOKS ? timing.soonMs : timing.suspectMs;
  return { ...job, absences, lookAt: at + again };
}

/** After three such answers over ten seconds the job ends: asked once more, the server would say the same. */
function unreadable(job: Job, at: number, timing: Timing): Job {
  if (!job.accepted) return job;
  const unread = { count: job.unread.count + 1, since: job.unread.count === 0 ? at : job.unread.since };
  if (unread.count >= LOST_AFTER_LOOKS && at - unread.since >= timing.lostAfterMs)
    return givenUp(job, job.succeeded ? unreadableOutput : unreadableAnswer, at, undefined, heardOutputs(job));
  return { ...job, unread, lookAt: at + timing.suspectMs };
}

const cancelled = ({ state }: Job): Failure => (state.status === 'queued' ? cancelledBeforeRun : cancelledFailure);

const running = ({ queuePosition: _, ...state }: JobState): JobState => ({ ...state, status: 'processing' });

/** A look from before the start may come after it: what runs does not wait again. */
const waiting = (state: JobState, ahead: number | undefined): JobState =>
  state.status !== 'queued' || ahead === undefined ? state : { ...state, queuePosition: ahead };

const isFailure = (outcome: readonly JobOutput[] | Failure): outcome is Failure => 'kind' in outcome;

/** An interrupt that we asked for is a cancel. */
const asAsked = (job: Job, failure: Failure): Failure =>
  job.cancelAsked && failure.kind === 'interrupted' ? { ...failure, ...cancelledFailure } : failure;
