import { signal, type ReadonlySignal } from '@preact/signals';
import { isNewer, isSettled } from '../../../../streams/job/job-state';
import type { PublicJob } from '../../../wire/public-job';
import { fuller, interrupted, recorded, type NodeHistory } from '../../../wire/node-history';
import { kept, keep } from '../tab-storage';

/** Every job this page knows. Read `version` to be told of changes; they come in batches. */
export interface JobCache {
  readonly version: ReadonlySignal<number>;
  readonly jobs: ReadonlyMap<string, PublicJob>;
  historyOf(promptId: string): NodeHistory | undefined;
  /** What the gateway knows of a job's nodes, if that is more. */
  learn(promptId: string, history: NodeHistory): void;
  /** How far the gateway's clock is behind this one's, as far as known; ms. */
  clockSkewMs(): number;
  /** `changed` where it is news and not what was found. Older than what is known is dropped. */
  take(job: PublicJob, changed?: boolean): void;
  remove(promptId: string): void;
  /** Forgets what ended longer ago than the gateway keeps it: it could not be opened any more. */
  expire(): void;
  /** Nothing was heard for a while. */
  missed(): void;
  /** Lets this tab know after a reload what it knows now. */
  keepHistories(): void;
}

/** How often a screen with thousands of jobs is brought up to date. */
const BATCH_MS = 100;
/** Ended jobs beyond these are forgotten, the oldest first. */
const MOST_ENDED = 3000;
/** How long the gateway keeps a job that has ended; ms. */
const ENDED_MS = 7_200_000;
const MOST_KEPT = 60;
const KEPT = 'histories';

/** Is told of each state that is taken: what the job was before, if it was known, and whether it is news. */
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
      // An ended job that was never seen to run has no history worth keeping.
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

/** The jobs in the order in which they were first seen, or ended; the ended ones are counted. */
function knownJobs() {
  const jobs = new Map<string, PublicJob>();
  let ended = 0;
  return {
    jobs: jobs as ReadonlyMap<string, PublicJob>,
    /** Puts a job in the place of what was known of it, which had not ended. */
    put(job: PublicJob): void {
      if (isSettled(job)) {
        jobs.delete(job.promptId);
        ended += 1;
      }
      jobs.set(job.promptId, job);
    },
    /** Whether there was such a job. */
    remove(promptId: string): boolean {
      const job = jobs.get(promptId);
      if (job !== undefined && isSettled(job)) ended -= 1;
      return jobs.delete(promptId);
    },
    /** The ids of ended jobs beyond so many. A job is put last when it ends: the first of them has been over for longest. */
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

/** A number that grows at most once in `BATCH_MS`, after whatever changed. */
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

/** The histories that this tab kept before it was reloaded: what happened meanwhile was missed. */
const keptHistories = (): Map<string, NodeHistory> =>
  new Map((kept(KEPT) as [string, NodeHistory][] | undefined)?.map(([id, history]) => [id, interrupted(history)]));

const keepHistories = (histories: ReadonlyMap<string, NodeHistory>): void => {
  const worthKeeping = [...histories].filter(([, { turns, began }]) => turns.length > 0 || began !== undefined);
  keep(KEPT, worthKeeping.slice(-MOST_KEPT));
};
