import { signal, type ReadonlySignal } from '@preact/signals';
import { isNewer, isSettled } from '../../../../streams/job/job-state';
import type { PublicJob } from '../../../wire/public-job';
import { fuller, interrupted, recorded, type NodeHistory } from '../../../wire/node-history';
import { kept, keep } from '../tab-storage';

/** Every job this page knows. Read `version` to be told of changes; they come in batches. */
export interface Board {
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
  /** Nothing was heard for a while. */
  missed(): void;
  /** Lets this tab know after a reload what it knows now. */
  keepHistories(): void;
}

/** How often a screen with thousands of jobs is brought up to date. */
const BATCH_MS = 100;
/** Ended jobs beyond these are forgotten, the oldest first. */
const MOST_ENDED = 3000;
const MOST_KEPT = 60;
const KEPT = 'histories';

/** Is told of each state that is taken: what the job was before, if it was known, and whether it is news. */
export type Heard = (job: PublicJob, before: PublicJob | undefined, isNews: boolean) => void;

export function emptyBoard(heard: Heard): Board {
  const jobs = new Map<string, PublicJob>();
  const histories = new Map(
    (kept(KEPT) as [string, NodeHistory][] | undefined)?.map(([id, history]) => [id, interrupted(history)]),
  );
  const version = signal(0);
  let skewMs = Number.POSITIVE_INFINITY;
  let pending: ReturnType<typeof setTimeout> | undefined;
  let endedCount = 0;

  const changed = (): void => {
    pending ??= setTimeout(() => {
      pending = undefined;
      version.value += 1;
    }, BATCH_MS);
  };
  const remove = (promptId: string): void => {
    const job = jobs.get(promptId);
    if (job === undefined) return;
    if (isSettled(job)) endedCount -= 1;
    jobs.delete(promptId);
    histories.delete(promptId);
    changed();
  };
  /** By insertion: an ended job is put last when it ends, so the first ended one is the one known for longest. */
  const forgetOldest = (): void => {
    for (const job of jobs.values()) {
      if (endedCount <= MOST_ENDED) return;
      if (isSettled(job)) remove(job.promptId);
    }
  };

  return {
    version,
    jobs,
    historyOf: (promptId) => histories.get(promptId),
    learn(promptId, history) {
      histories.set(promptId, fuller(histories.get(promptId), history));
      changed();
    },
    clockSkewMs: () => (Number.isFinite(skewMs) ? skewMs : 0),
    take(job, isNews = false) {
      const { promptId } = job;
      const before = jobs.get(promptId);
      if (before !== undefined && (isSettled(before) || !isNewer(job, before))) return;
      if (isNews) skewMs = Math.min(skewMs, Date.now() - job.updatedAt);
      const progress = Math.max(job.progress, before?.progress ?? 0);
      // An ended job that was never seen to run has no history worth keeping.
      if (before !== undefined || histories.has(promptId) || !isSettled(job)) {
        histories.set(promptId, recorded(histories.get(promptId), job));
      }
      if (isSettled(job)) {
        jobs.delete(promptId);
        endedCount += 1;
      }
      jobs.set(promptId, progress === job.progress ? job : { ...job, progress });
      if (isSettled(job)) forgetOldest();
      changed();
      heard(job, before, isNews);
    },
    remove,
    missed() {
      for (const [id, history] of histories) {
        const job = jobs.get(id);
        if (job !== undefined && !isSettled(job)) histories.set(id, interrupted(history));
      }
      changed();
    },
    keepHistories() {
      keep(
        KEPT,
        [...histories].filter(([, { turns, began }]) => turns.length > 0 || began !== undefined).slice(-MOST_KEPT),
      );
    },
  };
}
