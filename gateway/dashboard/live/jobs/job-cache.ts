import { signal, type ReadonlySignal } from '@preact/signals';
import { isNewer, isSettled } from '../../../../streams/job/job-state';
import type { PublicJob } from '../../../wire/public-job';
import { fuller, interrupted, recorded, type NodeHistory } from '../../../wire/node-history';
import { kept, keep } from '../tab-storage';

/** All jobs that this page knows. `version` grows with each batch of changes. */
export interface JobCache {
  readonly version: ReadonlySignal<number>;
  readonly jobs: ReadonlyMap<string, PublicJob>;
  historyOf(promptId: string): NodeHistory | undefined;
  /** Takes the gateway's history of a job's nodes, if it knows more than this page. */
  learn(promptId: string, history: NodeHistory): void;
  /** How many ms the gateway's clock is behind this machine's; 0 while unknown. */
  clockSkewMs(): number;
  /**
   * Takes a state, unless a newer one is known. `isNews`: it is a change that just happened, not the answer to a
   * request.
   */
  take(job: PublicJob, isNews?: boolean): void;
  remove(promptId: string): void;
  /** Forgets jobs that ended over two hours ago: the gateway has them no more. */
  expire(): void;
  /** Call it when the connection is lost: the histories of live jobs may miss nodes. */
  missed(): void;
  /** Keeps the newest histories in the tab's storage, for after a reload. */
  keepHistories(): void;
}

/** Changes are drawn at most every 100 ms: the screen may show thousands of jobs. */
const BATCH_MS = 100;
/** Ended jobs beyond these are forgotten, the oldest first. */
const MOST_ENDED = 3000;
/** How long the gateway keeps a job that has ended; ms. */
const ENDED_MS = 7_200_000;
const MOST_KEPT = 60;
const KEPT = 'histories';

/** Called with each state that is taken, the state before it, if any, and whether it is news. */
export type Heard = (job: PublicJob, before: PublicJob | undefined, isNews: boolean) => void;

export function jobCache(heard: Heard): JobCache {
  const known = knownJobs();
  const histories = keptHistories();
  const batches = batchedVersion();
  let skewMs = Number.POSITIVE_INFINITY;

  const clockSkewMs = (): number => (Number.isFinite(skewMs) ? skewMs : 0);
  const remove = (promptId: string): void => {
    if (!known.remove(promptId)) return;
    histories.delete(promptId);
    batches.changed();
  };

  return {
    version: batches.version,
    jobs: known.jobs,
    historyOf: (promptId) => histories.get(promptId),
    learn(promptId, history) {
      histories.set(promptId, fuller(histories.get(promptId), history));
      batches.changed();
    },
    clockSkewMs,
    take(job, isNews = false) {
      const { promptId } = job;
      const before = known.jobs.get(promptId);
      if (before !== undefined && (isSettled(before) || !isNewer(job, before))) return;
      if (isNews) skewMs = Math.min(skewMs, Date.now() - job.updatedAt);
      const progress = Math.max(job.progress, before?.progress ?? 0);
      // No history is begun for a job that was first seen when it had ended.
      if (before !== undefined || histories.has(promptId) || !isSettled(job)) {
        histories.set(promptId, recorded(histories.get(promptId), job));
      }
      known.put(progress === job.progress ? job : { ...job, progress });
      for (const oldest of known.endedBeyond(MOST_ENDED)) remove(oldest);
      batches.changed();
      heard(job, before, isNews);
    },
    remove,
    expire() {
      const before = Date.now() - clockSkewMs() - ENDED_MS;
      for (const job of [...known.jobs.values()]) if (isSettled(job) && job.updatedAt < before) remove(job.promptId);
    },
    missed() {
      for (const [id, history] of histories) {
        const job = known.jobs.get(id);
        if (job !== undefined && !isSettled(job)) histories.set(id, interrupted(history));
      }
      batches.changed();
    },
    keepHistories: () => keepHistories(histories),
  };
}

/** The jobs, in the order in which they were first seen or, if they have ended, ended. */
function knownJobs() {
  const jobs = new Map<string, PublicJob>();
  let ended = 0;
  return {
    jobs: jobs as ReadonlyMap<string, PublicJob>,
    /** Replaces a job's state. The old state must not be an end. */
    put(job: PublicJob): void {
      if (isSettled(job)) {
        jobs.delete(job.promptId);
        ended += 1;
      }
      jobs.set(job.promptId, job);
    },
    /** Returns whether there was such a job. */
    remove(promptId: string): boolean {
      const job = jobs.get(promptId);
      if (job !== undefined && isSettled(job)) ended -= 1;
      return jobs.delete(promptId);
    },
    /** The ids of ended jobs beyond `most`, the oldest ends first: a job moves to the end of the map when it ends. */
    endedBeyond(most: number): readonly string[] {
      const over: string[] = [];
      for (const job of jobs.values()) {
        if (over.length >= ended - most) break;
        if (isSettled(job)) over.push(job.promptId);
      }
      return over;
    },
  };
}

/** A number that grows `BATCH_MS` after a change, once for all changes until then. */
function batchedVersion() {
  const version = signal(0);
  let pending: ReturnType<typeof setTimeout> | undefined;
  return {
    version: version as ReadonlySignal<number>,
    changed(): void {
      pending ??= setTimeout(() => {
        pending = undefined;
        version.value += 1;
      }, BATCH_MS);
    },
  };
}

/** The histories that this tab kept before a reload, marked as having a gap. */
const keptHistories = (): Map<string, NodeHistory> =>
  new Map((kept(KEPT) as [string, NodeHistory][] | undefined)?.map(([id, history]) => [id, interrupted(history)]));

const keepHistories = (histories: ReadonlyMap<string, NodeHistory>): void => {
  const worthKeeping = [...histories].filter(([, { turns, began }]) => turns.length > 0 || began !== undefined);
  keep(KEPT, worthKeeping.slice(-MOST_KEPT));
};
