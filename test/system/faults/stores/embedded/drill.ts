import { isSettled } from '../../../../../streams/job/job-state';
import type { Instance } from '../../../service/instance';
import type { KnownState } from '../../../watching/watching';
import { untilTakenUp, type Ending, type TakeOver } from '../take-over';
import type { Trouble } from '../../troubles';
import type { ClientFeed } from './client-feed';

/** Ends the instance, starts it again at once, and waits until it has taken up each of its live jobs. */
export async function drilled(
  instance: Instance,
  feed: ClientFeed,
  full: () => Promise<void>,
  how: Ending,
): Promise<TakeOver & { readonly outage: Trouble }> {
  await full();
  const before = liveIn(feed);
  const from = Date.now();
  await (how === 'kill -9' ? instance.kill() : instance.terminate());
  await instance.start();
  const outage: Trouble = { what: how, from, to: Date.now(), struck: [] };
  const looking = setInterval(() => void feed.refresh(), 200);
  const ms = await untilTakenUp(feed, before, from);
  clearInterval(looking);
  return { how, jobs: before.length, ms, outage };
}

export const liveIn = ({ latest }: ClientFeed): readonly KnownState[] =>
  [...latest.values()].filter((state) => !isSettled(state));
