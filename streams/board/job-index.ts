import { heardAtOf, type Job } from '../job/job';
import { nextLookAtOf } from '../job/advance/next-look';
import { sessionOf, type JobState } from '../job/job-state';
import { timeUpAt } from '../reports/time-up';
import { dueTimes, type DueTimes } from './due-times';
import { getOrInsert } from '../maps/remember';
import { setsByKey } from '../maps/sets-by-key';

/** What any part of an instance may ask about its live jobs. */
export interface JobReads {
  /** The unsettled jobs. */
  readonly jobs: ReadonlyMap<string, Job>;
  /** The job whose present run has this id at ComfyUI. */
  readonly run: (runId: string) => Job | undefined;
  /** The jobs that this session watches, also those that other programs posted. */
  readonly ofSession: (clientId: string) => readonly Job[];
  readonly ofServer: (serverUrl: string) => readonly Job[];
  readonly countOf: (serverUrl: string) => number;
  readonly countOfUser: (userId: string) => number;
  /** How many nodes the workflows of a user's jobs have in all. */
  readonly nodesOfUser: (userId: string) => number;
  /** The server's jobs that ask for `onLost: 'resubmit'`. */
  readonly mayRunAgain: (serverUrl: string) => readonly Job[];
  /** The jobs whose time is up. */
  readonly overdue: (now: number) => readonly Job[];
  readonly countOfSession: (clientId: string) => number;
}

/** The live jobs of an instance, indexed by all that an event may name, so that no event visits other jobs (R17). */
export interface JobIndex extends JobReads {
  readonly reads: JobReads;
  readonly put: (job: Job) => void;
  readonly delete: (promptId: string) => void;
  /** The jobs whose frames come to this client id. */
  readonly ofClient: (clientId: string) => readonly Job[];
  /**
   * The one of them that runs. ComfyUI runs one at a time; if two seem to run, as an end was missed, it is the one of
   * the last frame. `undefined` if that does not tell: a guess might show one user's work to another (R5, R13).
   */
  readonly theRunning: (clientId: string) => Job | undefined;
  /** All jobs that run. */
  readonly running: () => readonly Job[];
  readonly countRunning: (clientId: string) => number;
  /** The server's jobs whose next look is due by `time`. */
  readonly due: (serverUrl: string, time: number) => readonly Job[];
}

/** Ids of jobs by one of their properties. */
interface Groups {
  move(before: Job | undefined, after: Job | undefined): void;
  of(key: string): ReadonlySet<string>;
}

/** Whether a change leaves the job in the same groups, as most frames do. */
const isFiledAlike = (before: Job, after: Job): boolean =>
  before.stage.tag === after.stage.tag && isStateFiledAlike(before.state, after.state);

const isStateFiledAlike = (a: JobState, b: JobState): boolean =>
  a === b ||
  (a.status === b.status &&
    a.runId === b.runId &&
    a.clientId === b.clientId &&
    a.session === b.session &&
    a.serverUrl === b.serverUrl &&
    a.userId === b.userId &&
    a.retry === b.retry);

/** The job whose frame came last; `undefined` if two are equal. */
function lastHeard([first, ...others]: readonly Job[]): Job | undefined {
  if (first === undefined || others.length === 0) return first;
  const [last, before] = [first, ...others].sort((a, b) => heardAtOf(b) - heardAtOf(a));
  return last !== undefined && before !== undefined && heardAtOf(last) > heardAtOf(before) ? last : undefined;
}

function groups(keyOf: (job: Job) => string | undefined): Groups {
  const byKey = setsByKey<string, string>();
  return {
    move: (before, after) => {
      const from = before === undefined ? undefined : keyOf(before);
      const to = after === undefined ? undefined : keyOf(after);
      if (from === to) return;
      if (before !== undefined && from !== undefined) byKey.delete(from, before.state.promptId);
      if (after !== undefined && to !== undefined) byKey.add(to, after.state.promptId);
    },
    of: byKey.of,
  };
}

/** The groups by which jobs are found. */
const allGroups = () => ({
  /** By the run's id at ComfyUI, for jobs whose run has another id than the job. */
  runs: groups(({ state }) => state.runId),
  byClient: groups(({ state }) => state.clientId),
  /** By client id. Not after `execution_success`: the run is over, though its outputs are still fetched. */
  running: groups(({ state, stage }) =>
    state.status === 'processing' && stage.tag !== 'fetchingOutputs' ? state.clientId : undefined,
  ),
  atWork: groups(({ state }) => (state.status === 'processing' ? 'processing' : undefined)),
  bySession: groups(({ state }) => sessionOf(state)),
  byServer: groups(({ state }) => state.serverUrl),
  byUser: groups(({ state }) => state.userId),
  movable: groups(({ state }) => (state.retry?.onLost === 'resubmit' ? state.serverUrl : undefined)),
});

export function jobIndex(): JobIndex {
  const jobs = new Map<string, Job>();
  const grouped = allGroups();
  const { runs, byClient, running, atWork, bySession, byServer, byUser, movable } = grouped;
  const all = Object.values(grouped);
  const deadlines = dueTimes();
  const times = new Map<string, DueTimes>();

  const timesOf = (serverUrl: string): DueTimes => getOrInsert(times, serverUrl, dueTimes);
  const listed = (ids: Iterable<string>): readonly Job[] =>
    [...ids].map((id) => jobs.get(id)).filter((job) => job !== undefined);

  const put = (job: Job): void => {
    const { promptId, serverUrl } = job.state;
    const before = jobs.get(promptId);
    jobs.set(promptId, job);
    if (before === undefined || !isFiledAlike(before, job)) for (const each of all) each.move(before, job);
    if (before !== undefined && before.state.serverUrl !== serverUrl) timesOf(before.state.serverUrl).delete(promptId);
    timesOf(serverUrl).set(promptId, nextLookAtOf(job));
    if (before === undefined || before.state.reported !== job.state.reported)
      deadlines.set(promptId, timeUpAt(job.state));
  };
  const remove = (promptId: string): void => {
    const job = jobs.get(promptId);
    if (job === undefined) return;
    jobs.delete(promptId);
    for (const each of all) each.move(job, undefined);
    timesOf(job.state.serverUrl).delete(promptId);
    deadlines.delete(promptId);
  };

  const reads: JobReads = {
    jobs,
    run: (runId) => {
      const [renamed] = runs.of(runId);
      if (renamed !== undefined) return jobs.get(renamed);
      const job = jobs.get(runId);
      return job?.state.runId === undefined ? job : undefined;
    },
    ofSession: (clientId) => listed(bySession.of(clientId)),
    ofServer: (serverUrl) => listed(byServer.of(serverUrl)),
    countOf: (serverUrl) => byServer.of(serverUrl).size,
    countOfUser: (userId) => byUser.of(userId).size,
    nodesOfUser: (userId) => listed(byUser.of(userId)).reduce((sum, { graph }) => sum + graph.size, 0),
    mayRunAgain: (serverUrl) => listed(movable.of(serverUrl)),
    overdue: (now) => listed(deadlines.until(now)).filter(({ state }) => timeUpAt(state) <= now),
    countOfSession: (clientId) => bySession.of(clientId).size,
  };
  return {
    ...reads,
    reads,
    put,
    delete: remove,
    ofClient: (clientId) => listed(byClient.of(clientId)),
    running: () => listed(atWork.of('processing')),
    theRunning: (clientId) => lastHeard(listed(running.of(clientId))),
    countRunning: (clientId) => running.of(clientId).size,
    due: (serverUrl, time) => listed(timesOf(serverUrl).until(time)).filter((job) => nextLookAtOf(job) <= time),
  };
}
