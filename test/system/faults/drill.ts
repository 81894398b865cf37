import { setTimeout as sleep } from 'node:timers/promises';
import { isSettled, sessionOf, type JobState } from '../../../streams/job/job-state';
import { holders, type Bench } from '../service/bench';
import type { Feed } from '../watching/feed';
import type { Instance } from '../service/instance';

/** How long it took until jobs had a new owner. */
export interface TakeOver {
  readonly how: string;
  readonly jobs: number;
  /** Until the last of them; infinite where some never had. */
  readonly ms: number;
}

const LIMIT_MS = 30_000;

/** Ends one instance while it holds all live jobs, and waits until each has a new owner or has ended. */
export async function takeOver(
  bench: Bench,
  feed: Feed,
  instance: Instance,
  how: 'kill -9' | 'SIGTERM' | 'SIGSTOP',
): Promise<TakeOver> {
  const held = await holders(bench.ask);
  const before = [...feed.latest.values()].filter(
    (state) => !isSettled(state) && held.get(sessionOf(state) ?? '') === instance.pid,
  );
  const from = Date.now();
  if (how === 'kill -9') await instance.kill();
  else if (how === 'SIGSTOP') instance.pause();
  else void instance.terminate();
  const isTaken = ({ promptId, epoch }: JobState): boolean => {
    const now = feed.latest.get(promptId);
    return now !== undefined && (now.epoch > epoch || isSettled(now));
  };
  while (!before.every(isTaken) && Date.now() - from < LIMIT_MS) await sleep(20);
  const ms = before.every(isTaken) ? Date.now() - from : Number.POSITIVE_INFINITY;
  return { how, jobs: before.length, ms };
}
