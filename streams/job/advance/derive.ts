import { bounds } from '../../bounds';
import { isCancelAsked, jobWith, type AtServer, type Job, type ReportingItself } from '../job';
import {
  countedDown,
  isSettled,
  type CurrentNode,
  type Failure,
  type JobOutput,
  type JobPhase,
  type JobState,
  type NodeError,
} from '../job-state';
import type { Graph } from '../workflow';
import { outputsOfJob } from '../job-outputs';
import { shownAt, type Shown } from '../progress/bar';
import { ownerById } from '../progress/plan/owners';
import { planOf } from '../progress/plan/plan';
import { isCounting, runClock, withPlan, withTargets, type RunClock } from '../progress/run-clock';

/** The most that a job shows before it is completed (R2). */
const ALMOST = 99.9;

/**
 * The job with `state` and what follows from its run at this time. Keeps the state object and its `seq` if nothing
 * changed.
 */
export function derived(job: Job<AtServer>, state: JobState, at: number): Job {
  if (state.status === 'queued') return withState(job, state, at);
  const shown = shownAt(runOf(job, state, at), at);
  return withShown(job, { ...job.stage, run: shown.run }, shown, state, at);
}

/** As `derived`, with the next stage and a bar that is computed already. */
export function withShown<S extends AtServer | ReportingItself>(
  job: Job<S>,
  stage: S,
  shown: Shown,
  state: JobState,
  at: number,
): Job {
  const before = job.state;
  const node = currentNode(job.graph, shown.run);
  const etaMs = shown.isSure ? Math.round(shown.leftMs) : undefined;
  const drawn: Drawn = {
    progress: progressOf(state, shown),
    phase: phaseOf(job, shown),
    updatedAt: Math.max(at, before.updatedAt),
    seq: before.seq + 1,
  };
  const next = withDrawn(state, drawn, node, etaMs);
  const isNews = isOther(before, etaMs, at) || !sameState(before, next);
  return jobWith(job, stage, isNews ? next : before);
}

type Drawn = Pick<JobState, 'progress' | 'phase' | 'updatedAt' | 'seq'>;

/**
 * Sets fields of a copy: V8 of Node 20 takes three times as long for a literal that spreads the state and then names
 * them.
 */
function withDrawn(state: JobState, drawn: Drawn, node: CurrentNode | undefined, etaMs: number | undefined): JobState {
  const next: { -readonly [F in keyof JobState]: JobState[F] } = {
    ...(etaMs === undefined ? withoutEta(state) : state),
  };
  next.progress = drawn.progress;
  next.phase = drawn.phase;
  next.updatedAt = drawn.updatedAt;
  next.seq = drawn.seq;
  if (node !== undefined) next.node = node;
  if (etaMs !== undefined) next.etaMs = etaMs;
  return next;
}

/**
 * A change of the time left by more than this share, and at least this many ms, is a new state even if the bar stands.
 */
const OTHER_SHARE = 1 / 3;
const OTHER_MS = 2_000;

function isOther(state: JobState, now: number | undefined, at: number): boolean {
  const counted = countedDown(state, at);
  if (counted === undefined || now === undefined) return counted !== now;
  return Math.abs(now - counted) > Math.max(OTHER_MS, OTHER_SHARE * counted);
}

/**
 * The state without `etaMs`. A rest spread costs as much as 30 copies, so it is used only where the state has that
 * field.
 */
const withoutEta = (state: JobState): JobState => (state.etaMs === undefined ? state : timeless(state));
const timeless = ({ etaMs: _, ...state }: JobState): JobState => state;

/**
 * The job's run: the known one, or one that begins now. If it began unheard, before this instance had the job say, its
 * bar goes on from where it was.
 */
export function runOf({ graph, durations, stage }: Job<AtServer>, state: JobState, at: number): RunClock {
  const plan = planOf(graph);
  const { executionStartedAt = at, progress } = state;
  const started =
    stage.run ??
    runClock(plan, {
      at: executionStartedAt,
      durations,
      share: progress / 100,
      takenUpAt: at,
      isLate: executionStartedAt < at,
    });
  const known = withPlan(started, plan);
  return stage.targets === undefined ? known : withTargets(known, stage.targets);
}

/** The completed job, with its outputs; see `outputsOfJob`. */
export const completed = (job: Job, outputs: readonly JobOutput[], at: number): Job =>
  settled(job, { status: 'completed', progress: 100, outputs: outputsOfJob(job, outputs) }, at);

/**
 * The job after a failed run: failed, with the outputs that it had made; or between runs, if its policy allows another.
 */
export function failed(job: Job, failure: Failure, at: number, outputs: readonly JobOutput[] = []): Job {
  if (isCancelAsked(job) || !runsAgain(job.state, failure)) return givenUp(job, failure, at, { outputs });
  const {
    node: _n,
    queuePosition: _q,
    etaMs: _e,
    runId: _r,
    executionStartedAt: _x,
    pictures: _p,
    ...state
  } = job.state;
  return withState(
    { ...job, stage: { tag: 'betweenRuns', failure } },
    // `progress` stays, until the next run's bar passes it (R2).
    { ...state, status: 'queued', phase: 'waiting', attempt: state.attempt + 1 },
    at,
  );
}

/** Whether a run follows this failure: after out of memory and a loss only, as a node that broke would break again. */
export function runsAgain({ attempt, retry }: JobState, { kind }: Failure): boolean {
  if (retry === undefined || attempt >= retry.maxAttempts) return false;
  return kind === 'out_of_memory' || (kind === 'lost' && retry.onLost === 'resubmit');
}

/** What a failed job keeps besides its failure. */
interface Remains {
  readonly nodeErrors?: readonly NodeError[] | undefined;
  readonly outputs?: readonly JobOutput[];
}

/** The failed job. */
export const givenUp = (job: Job, failure: Failure, at: number, { nodeErrors, outputs = [] }: Remains = {}): Job =>
  settled(
    job,
    {
      status: 'failed',
      failure,
      ...(nodeErrors !== undefined && { nodeErrors }),
      ...(outputs.length > 0 && { outputs: outputsOfJob(job, outputs) }),
    },
    at,
  );

function settled(job: Job, end: Pick<JobState, 'status'> & Partial<JobState>, at: number): Job {
  const { node: _n, queuePosition: _q, etaMs: _e, cancelAskedAt: _c, pictures: _p, ...state } = job.state;
  const stage = { tag: 'settled' } as const;
  return withState({ ...job, stage }, { ...state, phase: 'settled', finishedAt: at, ...end }, at);
}

/** The job with `state` as its next one, with a new `seq`; unchanged if that says nothing new. */
export function withState(job: Job, state: JobState, at: number): Job {
  const before = job.state;
  if (sameState(before, state)) return job;
  return { ...job, state: { ...state, updatedAt: Math.max(at, before.updatedAt), seq: before.seq + 1 } };
}

/** R2: never falls, is under 100; one decimal. */
const progressOf = ({ progress }: JobState, { share }: Shown): number =>
  Math.max(progress, Math.min(ALMOST, Math.floor(share * 1000) / 10));

/** A run with at most this share left, in which no node counts steps any more, is `finishing`. */
const FINISHING = 0.1;

function phaseOf({ state, stage }: Job, { run, share, isSure }: Shown): JobPhase {
  if (stage.tag === 'fetchingOutputs') return 'finishing';
  if (run.hasBegun && isSure && share >= 1 - FINISHING && !isCounting(run)) return 'finishing';
  return run.hasBegun || state.phase === 'running' ? 'running' : 'loading';
}

/** The workflow's node at work; for a node that was made by a subgraph, the node that made it. */
function currentNode(graph: Graph, run: RunClock): CurrentNode | undefined {
  const current = run.current ?? '';
  const node = run.nodes.get(current);
  if (node === undefined) return undefined;
  const { value, max } = node;
  const id = node.owner ?? (graph.has(current) ? current : (ownerById(graph, current) ?? current));
  // No node of the workflow, and its id exceeds the bound: a server may send any id (R16).
  if (id.length > bounds.nodeIdLength) return undefined;
  const { type = '', title } = graph.get(id) ?? {};
  return title === undefined ? { id, type, value, max } : { id, type, title, value, max };
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
    a.reported === b.reported &&
    a.cancelAskedAt === b.cancelAskedAt &&
    a.pictures === b.pictures &&
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
