import type { Failure, FileOutput, JobOutput, JobState } from './job-state';
import { byName, type Durations } from './progress/plan/expected';
import type { RunClock } from './progress/run-clock';
import { emptyGraph, type Graph } from './workflow';

/** A job as its watcher knows it: the state that everybody may read, and what it was drawn from. */
export interface Job {
  readonly state: JobState;
  readonly graph: Graph;
  /** How far its run is; absent until it has begun. */
  readonly run?: RunClock;
  /** What is known of its nodes' durations, and the output nodes that run, where the queue named them. */
  readonly durations: Durations;
  readonly targets?: readonly string[];
  /** Whether ComfyUI has taken it: before that, not to be found means nothing. */
  readonly accepted: boolean;
  /** Whether its own session's socket is open. */
  readonly linked: boolean;
  /** Whether its session brought every frame since it started. */
  readonly whole: boolean;
  /** What `executed` frames named, by node. */
  readonly outputs: ReadonlyMap<string, readonly JobOutput[]>;
  /** Pictures that came over the socket, which nothing else tells of, and their bytes in all. */
  readonly pictures: readonly FileOutput[];
  readonly pictureBytes: number;
  /** `execution_success` came, its outputs are still to be had from history. */
  readonly succeeded: boolean;
  readonly cancelAsked: boolean;
  /** Why the last run failed, while the next one is still to be posted. */
  readonly runAgain?: Failure;
  /** Good looks in a row that found it nowhere, and when the first was. */
  readonly absences: { readonly count: number; readonly since: number };
  /** Looks in a row whose answer about it could not be read, and when the first was. */
  readonly unread: { readonly count: number; readonly since: number };
  /** When it is to be looked up next, if nothing is heard until then. */
  readonly lookAt: number;
  /** When the last frame of its run came; 0 before. */
  readonly heardAt: number;
}

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

const never = { count: 0, since: 0 };

/** A job as it is taken up: submitted, tracked or recovered. `linked` once its session's socket is open. */
export const jobOf = (
  state: JobState,
  {
    graph = emptyGraph,
    durations = byName,
    accepted = false,
    linked = false,
  }: { graph?: Graph; durations?: Durations; accepted?: boolean; linked?: boolean } = {},
): Job => ({
  state,
  graph,
  durations,
  accepted,
  linked,
  whole: false,
  outputs: new Map(),
  pictures: [],
  pictureBytes: 0,
  succeeded: false,
  cancelAsked: false,
  absences: never,
  unread: never,
  lookAt: accepted ? state.updatedAt : Number.POSITIVE_INFINITY,
  heardAt: 0,
});

/** The same job, found somewhere after all, or heard of. */
export const notAbsent = (job: Job): Job =>
  job.absences.count === 0 && job.unread.count === 0 ? job : { ...job, absences: never, unread: never };
