import { isAtServer, runOfJob, type Job } from '../../job/job';
import { isSureOf, type TimeLeft } from '../../job/progress/node-left';
import { planOf } from '../../job/progress/plan/plan';
import { runClock } from '../../job/progress/run-clock';
import { timeLeft } from '../../job/progress/time-left';

/** When waiting jobs will start, by what those before them are expected to take. */
export interface StartTimes {
  /** A run on this server took so long: strangers' jobs are guessed to take as long as ours do. */
  readonly took: (serverUrl: string, ms: number) => void;
  /** Milliseconds until a job starts that has so many before it; `undefined` until that means something. */
  readonly startsIn: (job: Job, at: number) => number | undefined;
}

/** What stands in one server's queue: our own jobs by place, with what they and those before them take in all; other places are strangers'. */
interface Queue {
  readonly at: number;
  readonly placed: readonly Placed[];
}

interface Placed {
  readonly position: number;
  /** Of this job and all before it. */
  readonly ms: number;
  readonly areSure: boolean;
}

/** All jobs of a look are told within this time: the queue is added up once for them. */
const SAME_LOOK_MS = 200;
/** What a waiting workflow takes is added up again after so long: more was learnt. */
const TOTAL_MS = 30_000;
/** Newer runs weigh more. */
const RECENT = 0.2;

/** `ofServer` gives the jobs of a server. */
export function startTimes(ofServer: (serverUrl: string) => readonly Job[]): StartTimes {
  const means = new Map<string, number>();
  const queues = new Map<string, Queue>();
  const totals = new WeakMap<Job['graph'], { readonly at: number; readonly left: TimeLeft }>();

  /** What a job that has not begun will take. */
  const totalOf = (job: Job, at: number): TimeLeft => {
    const { graph, durations } = job;
    const targets = isAtServer(job) ? job.stage.targets : undefined;
    const known = totals.get(graph);
    if (known !== undefined && at - known.at < TOTAL_MS) return known.left;
    const left = timeLeft(runClock(planOf(graph), { at, durations, ...(targets !== undefined && { targets }) }), at);
    totals.set(graph, { at, left });
    return left;
  };
  const leftOf = (job: Job, at: number): TimeLeft => {
    const run = runOfJob(job);
    return run !== undefined && job.state.status === 'processing' ? timeLeft(run, at) : totalOf(job, at);
  };

  const queueOf = (serverUrl: string, at: number): Queue => {
    const known = queues.get(serverUrl);
    if (known !== undefined && at - known.at < SAME_LOOK_MS) return known;
    const placed = ofServer(serverUrl)
      .flatMap((job) => {
        const position = job.state.status === 'processing' ? 0 : job.state.queuePosition;
        if (position === undefined) return [];
        const left = leftOf(job, at);
        return [{ position, ms: left.ms, isSure: isSureOf(left) }];
      })
      .sort((a, b) => a.position - b.position);
    let [sum, areSure] = [0, true];
    const queue: Queue = {
      at,
      placed: placed.map(({ position, ms, isSure }) => ({ position, ms: (sum += ms), areSure: (areSure &&= isSure) })),
    };
    queues.set(serverUrl, queue);
    return queue;
  };

  return {
    took: (serverUrl, ms) => {
      const mean = means.get(serverUrl) ?? ms;
      means.set(serverUrl, mean + (ms - mean) * RECENT);
    },
    startsIn: ({ state: { serverUrl, queuePosition } }, at) => {
      if (queuePosition === undefined || queuePosition === 0) return queuePosition;
      const { placed } = queueOf(serverUrl, at);
      const ours = countBefore(placed, queuePosition);
      const { ms, areSure } = placed[ours - 1] ?? { ms: 0, areSure: true };
      const strangers = Math.max(0, queuePosition - ours);
      const mean = means.get(serverUrl);
      if (!areSure || (strangers > 0 && mean === undefined)) return undefined;
      return ms + strangers * (mean ?? 0);
    },
  };
}

/** A waiting job with the time to its start in place of `etaMs`, where that is another by more than a tenth. `known` is the job before the look that told its place. */
export function withStart(starts: StartTimes, job: Job, known: Job, at: number): Job {
  const { etaMs: before, ...state } = job.state;
  const startsIn = state.status === 'queued' ? starts.startsIn(job, at) : undefined;
  if (state.status !== 'queued' || startsIn === before) return job;
  const etaMs = startsIn === undefined ? undefined : Math.round(startsIn);
  if (etaMs !== undefined && before !== undefined && Math.abs(etaMs - before) <= before / 10) return job;
  // One change where the look changed something already.
  const seq = job.state === known.state ? state.seq + 1 : state.seq;
  const told = { ...state, ...(etaMs !== undefined && { etaMs }), seq };
  return { ...job, state: { ...told, updatedAt: Math.max(at, state.updatedAt) } };
}

/** How many stand before this place. */
function countBefore(placed: readonly Placed[], position: number): number {
  let [low, high] = [0, placed.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((placed[middle]?.position ?? 0) < position) low = middle + 1;
    else high = middle;
  }
  return low;
}
