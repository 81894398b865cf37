import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { filter, merge } from 'rxjs';
import { redisStore } from '../../../sinks/redis/redis-store';
import { isSettled, type JobState } from '../../../streams/job/job-state';
import { neverBackward } from '../../../streams/operators/never-backward';
import { startBench, storedStates, type Bench } from '../service/bench';
import { takeOver, type TakeOver } from './drill';
import { feedOf, type Feed } from '../watching/feed';
import { mischief, type Mischief } from './mischief';
import { workload, type Workload } from './workload';
import { seeded } from '../seeded';
import { truth, type Truth } from '../verdicts/truth';
import { vigil, type Vigil } from './vigil';
import { sightOf, watchersAt, type Record, type Watchers } from '../watching/watching';

export interface FaultBenchOptions {
  readonly seed: number;
  /** How long everything is tormented. */
  readonly ms: number;
  /** How many jobs are to be live at a time. */
  readonly live: number;
  readonly everyMs: number;
  readonly say: (line: string) => void;
}

/** All that is known after a run. */
export interface FaultRun {
  readonly bench: Bench;
  readonly load: Workload;
  readonly truth: Truth;
  readonly feed: Feed;
  readonly mischief: Mischief;
  readonly vigil: Vigil;
  readonly records: readonly Record[];
  readonly states: readonly JobState[];
  readonly takeOvers: readonly TakeOver[];
  /** Writes of zombies, and of others whose jobs were taken over, that Redis refused. */
  readonly refused: number;
  /** What the service says of itself that it never should: crashes and bugs. */
  readonly crashes: readonly string[];
}

/** How long all that is live may take to end after the torment. */
const CALM_MS = 100_000;

/** Torments three instances, their Redis and three ComfyUIs, and hands all that is known of it to `tell` before it ends. */
export async function faultBench<T>(options: FaultBenchOptions, tell: (run: FaultRun) => T): Promise<T> {
  const bench = await startBench({ versions: ['0.33.0', '0.3.64', '0.3.30'], timeScale: 0.1, instances: 3 });
  try {
    return tell(await tormented(bench, options));
  } finally {
    await bench.close();
  }
}

async function tormented(bench: Bench, { seed, ms, live, everyMs, say }: FaultBenchOptions): Promise<FaultRun> {
  const chance = seeded(seed);
  const known = truth();
  const feed = feedOf(bench.redis.url);
  const renamed = (from: string, to: string): void => {
    feed.forget(from);
    feed.follow(to);
  };
  const watchers = bench.instances.map(({ url, name }) => watchersAt(url, name, renamed));
  const inProcess = watchersInProcess(bench);
  const doings = mischief(bench, known, feed, chance);
  const guard = vigil(bench, feed, (pid) => doings.isAwake(pid));
  const load = workload(bench, feed, live, (promptId) =>
    [...watchers, inProcess].forEach((each) => each.watch(promptId)),
  );

  say(`${live} jobs are live, instances are ended one by one`);
  await load.full();
  const takeOvers: TakeOver[] = [];
  for (const how of ['kill -9', 'SIGTERM'] as const) {
    const takenOver = await drilled(bench, feed, load, how);
    say(`${takenOver.how}: ${takenOver.jobs} jobs taken over in ${takenOver.ms} ms`);
    takeOvers.push(takenOver);
  }
  const end = Date.now() + ms;
  const saying = setInterval(() => {
    const left = Math.round((end - Date.now()) / 1000);
    say(
      `${left} s left, ${guard.writes()} writes, ${doings.killsAndStops()} kills and stops, ${load.orders.length} jobs`,
    );
  }, 20_000);
  await doings.until(end, everyMs);
  await load.stop();
  const states = await calmed(bench, load);
  clearInterval(saying);
  for (const { comfy } of bench.servers) await known.read(comfy);
  await guard.stop();
  for (const { what, server, from, to } of process.env['TIMELINE'] === undefined ? [] : doings.happened)
    say(`${from} ${to} ${what} ${server ?? ''}`);
  [...watchers, inProcess].forEach((each) => each.close());
  feed.close();
  const logs = await Promise.all(
    bench.instances.map(({ name }) => readFile(join(bench.directory, `${name}.log`), 'utf8')),
  );
  const lines = logs.join('\n').split('\n');
  return {
    ...{ bench, load, truth: known, feed, mischief: doings, vigil: guard, states, takeOvers },
    records: [...watchers, inProcess].flatMap((each) => each.records),
    refused: lines.filter((line) => line.includes('a newer state than epoch')).length,
    crashes: lines.filter((line) => line.includes('"level":60') || line.includes('UnhandledPromise')),
  };
}

/** All states, once every job has ended, or `CALM_MS` after the torment. */
async function calmed(bench: Bench, load: Workload): Promise<readonly JobState[]> {
  const calm = Date.now() + CALM_MS;
  let states = await storedStates(bench.ask);
  // What was answered while Redis could not be reached is stored only later.
  const ordersStored = (): number => new Set(states.map(({ metadata }) => metadata?.['order'])).size;
  const isOver = (): boolean =>
    states.every(isSettled) && ordersStored() >= load.orders.length - load.unanswered.length;
  while (!isOver() && Date.now() < calm) {
    await sleep(500);
    states = await storedStates(bench.ask);
  }
  await sleep(1_500);
  return storedStates(bench.ask);
}

/** All jobs are made one instance's: the others are away while they are submitted. */
async function drilled(bench: Bench, feed: Feed, load: Workload, how: 'kill -9' | 'SIGTERM'): Promise<TakeOver> {
  const [victim, ...others] = bench.instances;
  await Promise.all(others.map((each) => each.terminate()));
  await sleep(2_000);
  await load.full();
  await Promise.all(others.map((each) => each.start()));
  await sleep(1_500);
  const done = await takeOver(bench, feed, victim!, how);
  while (victim!.isUp) await sleep(20);
  await victim!.start();
  return done;
}

/** Watchers of this process, by the same store and operators as the service's own. */
function watchersInProcess(bench: Bench): Watchers {
  const store = redisStore({ url: bench.redisLink.url.replace('http:', 'redis:'), report: () => undefined });
  const records: Record[] = [];
  return {
    records,
    watch: (promptId) => {
      const record: Record = { by: 'in process', promptId, sights: [] };
      records.push(record);
      const present$ = store.get(promptId).pipe(filter((state) => state !== undefined));
      merge(store.changes(promptId), present$)
        .pipe(neverBackward())
        .subscribe({ next: (state) => record.sights.push(sightOf(state)), error: () => undefined });
    },
    close: () => void store.close().subscribe({ error: () => undefined }),
  };
}
