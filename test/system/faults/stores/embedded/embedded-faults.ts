import { startEmbeddedBench } from '../../../service/bench';
import type { Trouble } from '../../troubles';
import type { StartStore } from '../tested-store';
import { clientFeed } from './client-feed';
import { drilled } from './drill';
import { listed } from './listed';
import { withOutages } from './outages';
import { restarts } from './restarts';

/** One instance with a file of its own, restarted on it again and again: nobody else can take its jobs up. */
export const embeddedFaults: StartStore = async (options) => {
  const bench = await startEmbeddedBench(options);
  const instance = bench.instances[0]!;
  const feed = clientFeed(instance.url);
  const drills: Trouble[] = [];
  return {
    bench,
    feed,
    others: feed.watchers,
    troubles: () => ({}),
    vigil: () => restarts(instance, feed),
    states: () => listed(instance.url),
    drilled: async (full, how) => {
      const { outage, ...takeOver } = await drilled(instance, feed, full, how);
      drills.push(outage);
      return takeOver;
    },
    targets: { takeOverMs: { 'kill -9': 15_000, SIGTERM: 15_000 }, writes: 'states that the client told' },
    outages: (happened) => withOutages([...drills, ...happened]),
    findings: () => ({ rows: [], wrong: [] }),
    close: () => bench.close(),
  };
};
