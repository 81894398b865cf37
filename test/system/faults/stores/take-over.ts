import { setTimeout as sleep } from 'node:timers/promises';
import { isSettled } from '../../../../streams/job/job-state';
import type { Feed } from '../../watching/feed';
import type { KnownState } from '../../watching/watching';

/** How an instance ends. */
export type Ending = 'kill -9' | 'SIGTERM';

/** How long it took until jobs had a new owner. */
export interface TakeOver {
  readonly how: Ending;
  readonly jobs: number;
  /** Until the last of them; infinite where some never had. */
  readonly ms: number;
}

const LIMIT_MS = 30_000;

/** Whether a job that was in this state has a new owner since, or has ended. */
export function isTakenUp({ latest }: Feed, { promptId, epoch }: KnownState): boolean {
  const now = latest.get(promptId);
  return now !== undefined && (now.epoch > epoch || isSettled(now));
}

/** Milliseconds since `from`, once each of these jobs has a new owner or has ended; infinite after `LIMIT_MS`. */
export async function untilTakenUp(feed: Feed, before: readonly KnownState[], from: number): Promise<number> {
  const isTaken = (state: KnownState): boolean => isTakenUp(feed, state);
  while (!before.every(isTaken) && Date.now() - from < LIMIT_MS) await sleep(20);
  return before.every(isTaken) ? Date.now() - from : Number.POSITIVE_INFINITY;
}
