import { noVersions, type Versions } from '../maps/versions';
import { isSettled, type Failure, type FileOutput, type JobOutput, type JobState } from './job-state';
import { byName, type Durations } from './progress/plan/expected';
import type { RunClock } from './progress/run-clock';
import { emptyGraph, type Graph } from './workflow';

/** A job as the instance that watches it knows it: its public state, and what that is derived from. */
export interface Job<S extends Stage = Stage> {
  readonly state: JobState;
  readonly graph: Graph;
  /** How long its nodes took in earlier runs on its server. */
  readonly durations: Durations;
  /** Whether the socket of its `clientId` is open. */
  readonly linked: boolean;
  readonly stage: S;
}

/** Where the job's present run is; each stage holds only what can be known in it. */
export type Stage = BeingPosted | Watched | FetchingOutputs | BetweenRuns | ReportingItself | Settled;

/** ComfyUI has not taken the run yet, so the job is not looked up: not to find it would mean nothing. */
export interface BeingPosted {
  readonly tag: 'posting';
  readonly cancelAsked: boolean;
}

/** ComfyUI has the run, and it has not ended. */
export interface Watched extends RunFacts {
  readonly tag: 'watched';
  /** Whether the session brought every frame since the run started: then its outputs are known at its end (R3). */
  readonly whole: boolean;
}

/** `execution_success` came, but frames were missed: the outputs are still to be read from history. */
export interface FetchingOutputs extends RunFacts {
  readonly tag: 'fetchingOutputs';
}

/** The last run failed, and the next one is still to be posted. */
export interface BetweenRuns {
  readonly tag: 'betweenRuns';
  readonly failure: Failure;
}

/** A reported job: no server has it, so it is never looked up. */
export interface ReportingItself {
  readonly tag: 'reporting';
  /** The run's progress; `undefined` before the first report or tick here. */
  readonly run: RunClock | undefined;
}

/** The job has ended: only its state counts. */
export interface Settled {
  readonly tag: 'settled';
}

/** ComfyUI has the run. */
export type AtServer = Watched | FetchingOutputs;

/** What was learned about a run since ComfyUI took it. */
export interface RunFacts {
  readonly cancelAsked: boolean;
  /** The run's progress; `undefined` until it has begun. */
  readonly run: RunClock | undefined;
  /** The output nodes that run, once a look at the queue named them. */
  readonly targets: readonly string[] | undefined;
  /** The outputs that `executed` frames named, by node. */
  readonly outputs: Versions<readonly JobOutput[]>;
  /** About the bytes of those outputs. */
  readonly outputBytes: number;
  /** Pictures that came over the socket, which history does not name, and their bytes in all. */
  readonly pictures: readonly FileOutput[];
  readonly pictureBytes: number;
  /** The good looks in a row that found the run nowhere. */
  readonly absences: Row;
  /** The looks in a row whose answer about the run could not be read. */
  readonly unread: Row;
  /** When the job is looked up next, ms since 1970; a frame before that puts it off, unless `lookOwed`. */
  readonly nextLookAt: number;
  /** The looks in a row that told nothing new while the socket was open: each doubles the time to the next (R8). */
  readonly audits: number;
  /** Whether no frame may put that look off: it asks for a workflow, or for what a lost connection missed (R6). */
  readonly lookOwed: boolean;
  /** When the run's last frame came, ms since 1970; 0 before the first. */
  readonly heardAt: number;
}

/** Looks in a row: how many, and when the first was, ms since 1970. */
export interface Row {
  readonly count: number;
  readonly since: number;
}

export const isAtServer = (job: Job): job is Job<AtServer> =>
  job.stage.tag === 'watched' || job.stage.tag === 'fetchingOutputs';

/** Whether ComfyUI has the run in its queue: it has not succeeded, and the last look did not find it absent. */
export const isThere = (job: Job): job is Job<AtServer> =>
  job.stage.tag === 'watched' && job.stage.absences.count === 0;

/** The progress of a job's run; `undefined` if none has begun. */
export const runOfJob = ({ stage }: Job): RunClock | undefined => ('run' in stage ? stage.run : undefined);

/** When the last frame of a job's run came, ms since 1970; 0 if none did. */
export const heardAtOf = (job: Job): number => (isAtServer(job) ? job.stage.heardAt : 0);

/** Whether a cancel of the job's present run was asked for. */
export const isCancelAsked = ({ stage }: Job): boolean => 'cancelAsked' in stage && stage.cancelAsked;

/** The state of a job that has just been submitted or tracked. */
export const queuedState = ({
  at,
  ...job
}: Pick<
  JobState,
  'promptId' | 'type' | 'userId' | 'characterId' | 'metadata' | 'serverUrl' | 'retry' | 'deadlineAt'
> & {
  readonly at: number;
}): JobState => ({
  ...job,
  status: 'queued',
  progress: 0,
  startedAt: at,
  phase: 'waiting',
  updatedAt: at,
  via: 'websocket',
  attempt: 1,
  epoch: at,
  seq: 1,
});

/** A stored state as its new owner goes on with it (R11): with a greater epoch, and `etaMs` less the time since. */
export function takenOver({ etaMs = 0, ...state }: JobState, at: number): JobState {
  const leftMs = etaMs - Math.max(0, at - state.updatedAt);
  return {
    ...state,
    ...(leftMs > 0 && { etaMs: leftMs }),
    epoch: Math.max(state.epoch + 1, at),
    updatedAt: Math.max(at, state.updatedAt),
  };
}

/** The job after some of its frames were missed. */
export const notWhole = (job: Job): Job =>
  job.stage.tag === 'watched' ? { ...job, stage: { ...job.stage, whole: false } } : job;

const never: Row = { count: 0, since: 0 };

/**
 * How a job begins here. `accepted`: ComfyUI has its run. `failed`: its last run failed so, the next is to be posted.
 */
export interface TakenUp {
  readonly graph?: Graph;
  readonly durations?: Durations;
  readonly accepted?: boolean;
  readonly failed?: Failure;
  readonly linked?: boolean;
}

/** A job as it begins here: submitted, tracked or recovered. */
export const jobOf = (
  state: JobState,
  { graph = emptyGraph, durations = byName, accepted = false, failed, linked = false }: TakenUp = {},
): Job => ({ state, graph, durations, linked, stage: stageOf(state, accepted, failed) });

function stageOf(state: JobState, accepted: boolean, failure: Failure | undefined): Stage {
  if (isSettled(state)) return { tag: 'settled' };
  if (failure !== undefined) return { tag: 'betweenRuns', failure };
  const cancelAsked = state.cancelAskedAt !== undefined;
  if (!accepted) return { tag: 'posting', cancelAsked };
  const stage = watched(state.updatedAt, cancelAsked);
  return state.pictures === undefined ? stage : { ...stage, pictures: state.pictures };
}

const noPictures: readonly FileOutput[] = [];

/**
 * The job at this stage, in this state. Written field by field: where each record is made from the one before, V8 of
 * Node 20 takes ten times as long for a spread.
 */
export const jobWith = <S extends Stage>(
  { graph, durations, linked }: Job,
  stage: S,
  state: JobState,
): Required<Job<S>> => ({
  state,
  graph,
  durations,
  linked,
  stage,
});

/** The stage after a frame that came at `heardAt`. Written field by field, as `jobWith`. */
export function heardStage(stage: AtServer, run: RunClock, heardAt: number, nextLookAt: number): AtServer {
  if (stage.tag !== 'watched') return { ...stage, run, heardAt, nextLookAt, audits: 0 };
  return {
    tag: stage.tag,
    whole: stage.whole,
    cancelAsked: stage.cancelAsked,
    run,
    targets: stage.targets,
    outputs: stage.outputs,
    outputBytes: stage.outputBytes,
    pictures: stage.pictures,
    pictureBytes: stage.pictureBytes,
    absences: stage.absences,
    unread: stage.unread,
    nextLookAt,
    audits: 0,
    lookOwed: stage.lookOwed,
    heardAt,
  } satisfies Required<Watched>;
}

/**
 * The stage of a run that ComfyUI has, before any frame of it. One literal, so that V8 keeps all fields in the object
 * itself, and in its copies.
 */
export const watched = (nextLookAt: number, cancelAsked = false): Watched => ({
  tag: 'watched',
  whole: false,
  cancelAsked,
  run: undefined,
  targets: undefined,
  outputs: noVersions,
  outputBytes: 0,
  pictures: noPictures,
  pictureBytes: 0,
  absences: never,
  unread: never,
  nextLookAt,
  audits: 0,
  lookOwed: false,
  heardAt: 0,
});

/** The stage after the run was found, or a frame of it came: looks that missed it no longer count. */
export const notAbsent = <S extends AtServer>(stage: S): S =>
  stage.absences.count === 0 && stage.unread.count === 0 ? stage : { ...stage, absences: never, unread: never };
