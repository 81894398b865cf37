import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isSettled } from '../../../streams/job/job-state';
import type { Bench } from '../service/bench';
import { mischief, type Mischief } from './mischief';
import { workload, type Workload } from './workload';
import { seeded } from '../seeded';
import { truth, type Truth } from '../verdicts/truth';
import type { TakeOver } from './stores/take-over';
import type { StartStore, StoreFindings, TestedStore, Vigil } from './stores/tested-store';
import { watchersAt, type KnownState, type Record } from '../watching/watching';

export interface FaultBenchOptions {
  /** Starts the instances, on the store that they have. */
  readonly start: StartStore;
  readonly seed: number;
  /** How long everything is tormented at least: a slow machine goes on until it has what `targets` ask for, up to `PATIENCE` times as long. */
  readonly ms: number;
  readonly targets: Targets;
  /** How many jobs are to be live at a time. */
  readonly live: number;
  readonly everyMs: number;
  readonly say: (line: string) => void;
}

/** All that is known after a run. */
export interface FaultRun {
  readonly targets: Targets;
  readonly store: TestedStore;
  readonly load: Workload;
  readonly truth: Truth;
  readonly mischief: Mischief;
  readonly vigil: Vigil;
  readonly records: readonly Record[];
  readonly states: readonly KnownState[];
  readonly takeOvers: readonly TakeOver[];
  readonly ofStore: StoreFindings;
  /** What the service says of itself that it never should: crashes and bugs. */
  readonly crashes: readonly string[];
}

/** What a run must reach. */
export interface Targets {
  readonly writes: number;
  readonly killsAndStops: number;
}

const PATIENCE = 3;
/** How long all that is live may take to end after the torment. */
const CALM_MS = 100_000;

/** Torments instances, their store and three ComfyUIs, and hands all that is known of it to `tell` before it ends. */
export async function faultBench<T>(options: FaultBenchOptions, tell: (run: FaultRun) => T): Promise<T> {
  const store = await options.start({ versions: ['0.33.0', '0.3.64', '0.3.30'], timeScale: 0.1 });
  try {
    return tell(await tormented(store, options));
  } finally {
    await store.close();
  }
}

async function tormented(
  store: TestedStore,
  { seed, ms, targets, live, everyMs, say }: FaultBenchOptions,
): Promise<FaultRun> {
  const { bench, feed } = store;
  const chance = seeded(seed);
  const known = truth();
  const renamed = (from: string, to: string): void => {
    feed.forget(from);
    feed.follow(to);
  };
  const watchers = [...bench.instances.map(({ url, name }) => watchersAt(url, name, renamed)), store.others];
  const doings = mischief(store, known, chance);
  const guard = store.vigil((pid) => doings.isAwake(pid));
  const load = workload(bench, feed, live, (promptId) => watchers.forEach((each) => each.watch(promptId)));

  say(`${live} jobs are live, instances are ended one by one`);
  await load.full();
  const takeOvers: TakeOver[] = [];
  for (const how of ['kill -9', 'SIGTERM'] as const) {
    const takenOver = await store.drilled(() => load.full(), how);
    say(`${takenOver.how}: ${takenOver.jobs} jobs taken over in ${takenOver.ms} ms`);
    takeOvers.push(takenOver);
  }
  const from = Date.now();
  const end = from + ms;
  const isEnough = (): boolean => guard.writes() >= targets.writes && doings.killsAndStops() >= targets.killsAndStops;
  const isOver = (): boolean => Date.now() >= (isEnough() ? end : from + PATIENCE * ms);
  const saying = setInterval(() => {
    const left = Math.max(0, Math.round((end - Date.now()) / 1000));
    say(
      `${left} s left, ${guard.writes()} writes, ${doings.killsAndStops()} kills and stops, ${load.orders.length} jobs`,
    );
  }, 20_000);
  await doings.until(isOver, everyMs);
  await load.stop();
  const states = await calmed(store, load);
  clearInterval(saying);
  for (const { comfy } of bench.servers) await known.read(comfy);
  await guard.stop();
  for (const { what, server, from, to } of process.env['TIMELINE'] === undefined ? [] : doings.happened)
    say(`${from} ${to} ${what} ${server ?? ''}`);
  watchers.forEach((each) => each.close());
  feed.close();
  const log = await logOf(bench);
  return {
    targets,
    store,
    load,
    truth: known,
    mischief: doings,
    vigil: guard,
    states,
    takeOvers,
    records: watchers.flatMap((each) => each.records),
    ofStore: store.findings(log),
    crashes: log.filter((line) => line.includes('"level":60') || line.includes('UnhandledPromise')),
  };
}

/** The lines that all instances logged. */
async function logOf({ instances, directory }: Bench): Promise<readonly string[]> {
  const logs = await Promise.all(instances.map(({ name }) => readFile(join(directory, `${name}.log`), 'utf8')));
  return logs.join('\n').split('\n');
}

/** All states, once every job has ended, or `CALM_MS` after the torment. */
async function calmed(store: TestedStore, load: Workload): Promise<readonly KnownState[]> {
  const calm = Date.now() + CALM_MS;
  let states = await store.states();
  // What was answered while the store could not be reached is stored only later.
  const ordersStored = (): number => new Set(states.map(({ metadata }) => metadata?.['order'])).size;
  const hasEnded = (): boolean =>
    states.every(isSettled) && ordersStored() >= load.orders.length - load.unanswered.length;
  while (!hasEnded() && Date.now() < calm) {
    await sleep(500);
    states = await store.states();
  }
  await sleep(1_500);
  return store.states();
}
