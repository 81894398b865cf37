import { filter, merge } from 'rxjs';
import { redisStore } from '../../../../../sinks/redis/redis-store';
import { neverBackward } from '../../../../../streams/operators/never-backward';
import { startRedisBench, storedStates, type RedisBench } from '../../../service/bench';
import { atMost, noted } from '../../../table';
import { sightOf, type Record } from '../../../watching/watching';
import type { StartStore, StoreFindings, TestedStore } from '../tested-store';
import { drilled } from './drill';
import { feedOf, type RedisFeed } from './feed';
import { redisTroubles } from './redis-troubles';
import { vigil } from './vigil';

/** Three instances on one Redis, which has troubles of its own. */
export const redisFaults: StartStore = async (options) => {
  const bench = await startRedisBench({ ...options, instances: 3 });
  const feed = feedOf(bench.redis.url);
  return {
    bench,
    feed,
    others: watchersInProcess(bench),
    troubles: (chance) => redisTroubles(bench, chance),
    vigil: (isAwake) => vigil(bench, feed, isAwake),
    states: () => storedStates(bench.ask),
    drilled: (full, how) => drilled(bench, feed, full, how),
    targets: { takeOverMs: { 'kill -9': 15_000, SIGTERM: 2_000 }, writes: 'accepted writes' },
    outages: (happened) => happened,
    findings: (log) => olderWrites(feed, log),
    close: () => bench.close(),
  };
};

/** Writes of zombies, and of others whose jobs were taken over: none may be accepted. */
const olderWrites = ({ backward }: RedisFeed, log: readonly string[]): StoreFindings => ({
  rows: [
    atMost('older writes accepted (zombies’ and others’)', 0, backward.length),
    noted('  refused', `${log.filter((line) => line.includes('a newer state than epoch')).length}`),
  ],
  wrong: backward.slice(0, 5).map((each) => `an older write was accepted: ${JSON.stringify(each)}`),
});

/** Watchers of this process, by the same store and operators as the service's own. */
function watchersInProcess(bench: RedisBench): TestedStore['others'] {
  const name = 'in process';
  const store = redisStore({ url: bench.redisLink.url.replace('http:', 'redis:'), report: () => undefined });
  const records: Record[] = [];
  return {
    name,
    records,
    watch: (promptId) => {
      const record: Record = { by: name, promptId, sights: [] };
      records.push(record);
      const present$ = store.get(promptId).pipe(filter((state) => state !== undefined));
      merge(store.changes(promptId), present$)
        .pipe(neverBackward())
        .subscribe({ next: (state) => record.sights.push(sightOf(state)), error: () => undefined });
    },
    close: () => void store.close().subscribe({ error: () => undefined }),
  };
}
