import { jobOf, type Job } from './job';
import {
  isSettled,
  type CurrentNode,
  type Failure,
  type JobOutput,
  type JobPhase,
  type JobState,
  type NodeError,
} from './job-state';
import { outputsOfJob } from './job-outputs';
import { fractionDone, hasBegun, stepsAreDone } from './progress/progress';
import { ownerOf } from './progress/weights';

/** The most that a job shows before it is completed (R2). */
const ALMOST = 99;

/** The job with `state` and all that follows from its tally. Keeps the very state, and its `seq`, where nothing changed. */
export function retold(job: Job, state: JobState, at: number): Job {
  const node = currentNode(job);
  const drawn =
    state.status === 'queued'
      ? state
      : {
          ...state,
          progress: Math.max(state.progress, progressOf(job)),
          phase: phaseOf(job),
          ...(node !== undefined && { node }),
        };
  return withState(job, drawn, at);
}

/** The job at its good end, with its outputs in an order that does not depend on who told of them. */
export const completed = (job: Job, outputs: readonly JobOutput[], at: number): Job =>
  withState(
    job,
    { ...ending(job.state, at), status: 'completed', progress: 100, outputs: outputsOfJob(job, outputs) },
    at,
  );

/** The job after a run that failed: at its end, with what it had finished, or waiting for the next run where its policy allows one. */
export function failed(job: Job, failure: Failure, at: number, outputs: readonly JobOutput[] = []): Job {
  if (job.cancelAsked || !runsAgain(job.state, failure)) return givenUp(job, failure, at, undefined, outputs);
  const { node: _n, queuePosition: _q, etaMs: _e, runId: _r, executionStartedAt: _x, ...state } = job.state;
  const again = jobOf(state, { graph: job.graph, linked: job.linked });
  return withState(
    { ...again, runAgain: failure },
    // `progress` stays where it was, and the bar waits there for the next run to pass it (R2).
    { ...state, status: 'queued', phase: 'waiting', attempt: state.attempt + 1 },
    at,
  );
}

/** Whether a run that failed so is repeated. Out of memory and lost jobs only: a node that broke would break again. */
export function runsAgain({ attempt, retry }: JobState, { kind }: Failure): boolean {
  if (retry === undefined || attempt >= retry.maxAttempts) return false;
  return kind === 'out_of_memory' || (kind === 'lost' && retry.onLost === 'resubmit');
}

/** The job at its bad end. */
export const givenUp = (
  job: Job,
  failure: Failure,
  at: number,
  nodeErrors?: readonly NodeError[],
  outputs: readonly JobOutput[] = [],
): Job =>
  withState(
    job,
    {
      ...ending(job.state, at),
      status: 'failed',
      failure,
      ...(nodeErrors !== undefined && { nodeErrors }),
      ...(outputs.length > 0 && { outputs: outputsOfJob(job, outputs) }),
    },
    at,
  );

const ending = ({ node: _n, queuePosition: _q, etaMs: _e, ...state }: JobState, at: number): JobState => ({
  ...state,
  phase: 'settled',
  finishedAt: at,
});

function withState(job: Job, state: JobState, at: number): Job {
  if (sameState(job.state, state)) return job;
  return { ...job, state: { ...state, updatedAt: Math.max(at, job.state.updatedAt), seq: job.state.seq + 1 } };
}

/** Sums that are carried from frame to frame are off by less than this. */
const ROUNDING = 1e-6;

/** R2: never falls, one decimal, under 100. */
function progressOf(job: Job): number {
  const now = Math.floor(fractionDone(job.graph, job.tally) * ALMOST * 10 + ROUNDING) / 10;
  return Math.min(ALMOST, Math.max(job.state.progress, now));
}

/** A pace is worth something once it was kept for so long, and is not believed beyond here. */
const STEADY_MS = 2_000;
const BELIEVED = 95;

/** How far a job is that runs on unheard, if it goes on as it did: REST tells no progress. */
export function atItsPace(job: Job, at: number): number {
  const heardMs = job.heardAt - job.runningAt;
  if (heardMs < STEADY_MS) return 0;
  const fraction = fractionDone(job.graph, job.tally) * (1 + (at - job.heardAt) / heardMs);
  return Math.min(BELIEVED, Math.floor(fraction * ALMOST * 10) / 10);
}

function phaseOf(job: Job): JobPhase {
  if (job.succeeded || stepsAreDone(job.graph, job.tally)) return 'finishing';
  return hasBegun(job.graph, job.tally) || job.state.phase === 'running' ? 'running' : 'loading';
}

/** The workflow node at work: of a subgraph's node, the node that made it. */
function currentNode({ graph, tally }: Job): CurrentNode | undefined {
  if (tally.current === undefined || tally.current === '') return undefined;
  const { value, max } = tally.nodes.get(tally.current) ?? { value: 0, max: 1 };
  const id = ownerOf(graph, tally, tally.current);
  const { type = '', title } = graph.get(id) ?? {};
  return { id, type, ...(title !== undefined && { title }), value, max };
}

function sameState(a: JobState, b: JobState): boolean {
  return (
    a.status === b.status &&
    a.progress === b.progress &&
    a.phase === b.phase &&
    a.via === b.via &&
    a.queuePosition === b.queuePosition &&
    a.nodeErrors === b.nodeErrors &&
    a.attempt === b.attempt &&
    a.runId === b.runId &&
    a.executionStartedAt === b.executionStartedAt &&
    a.clientId === b.clientId &&
    a.serverUrl === b.serverUrl &&
    !isSettled(b) &&
    sameNode(a.node, b.node)
  );
}

const sameNode = (a: CurrentNode | undefined, b: CurrentNode | undefined): boolean =>
  a === b ||
  (a !== undefined &&
    b !== undefined &&
    a.id === b.id &&
    a.type === b.type &&
    Object.is(a.value, b.value) &&
    Object.is(a.max, b.max));
