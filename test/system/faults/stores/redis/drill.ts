import { setTimeout as sleep } from 'node:timers/promises';
import { isSettled, sessionOf } from '../../../../../streams/job/job-state';
import { holders, type RedisBench } from '../../../service/bench';
import type { Instance } from '../../../service/instance';
import { untilTakenUp, type Ending, type TakeOver } from '../take-over';
import type { RedisFeed } from './feed';

/** All jobs are made one instance's, which ends: the others are away while they are submitted, and take them over. */
export async function drilled(
  bench: RedisBench,
  feed: RedisFeed,
  full: () => Promise<void>,
  how: Ending,
): Promise<TakeOver> {
  const [victim, ...others] = bench.instances;
  await Promise.all(others.map((each) => each.terminate()));
  await sleep(2_000);
  await full();
  await Promise.all(others.map((each) => each.start()));
  await sleep(1_500);
  const done = await takeOver(bench, feed, victim!, how);
  while (victim!.isUp) await sleep(20);
  await victim!.start();
  return done;
}

/** Ends one instance while it holds all live jobs, and waits until each has a new owner or has ended. */
async function takeOver(bench: RedisBench, feed: RedisFeed, instance: Instance, how: Ending): Promise<TakeOver> {
  const held = await holders(bench.ask);
  const before = [...feed.latest.values()].filter(
    (state) => !isSettled(state) && held.get(sessionOf(state) ?? '') === instance.pid,
  );
  const from = Date.now();
  if (how === 'kill -9') await instance.kill();
  else void instance.terminate();
  return { how, jobs: before.length, ms: await untilTakenUp(feed, before, from) };
}
