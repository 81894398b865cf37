import { setTimeout as sleep } from 'node:timers/promises';
import { isSettled, type JobState } from '../../../streams/job/job-state';
import { startRedisBench, storedStates, type RedisBench } from '../service/bench';
import { contradictions, violations } from '../verdicts/order';
import { orders, type Order } from '../verdicts/orders';
import { VALUE, commandLine } from '../../../scripts/command-line';
import { seeded } from '../seeded';
import { results, type Run } from './results';
import { printed } from '../table';
import { troubles, type TroubleKind } from '../faults/troubles';
import { truth } from '../verdicts/truth';
import { watchersAt } from '../watching/watching';

const given = commandLine('usage: npm run acceptance -- [--jobs 820] [--seed N]', { jobs: VALUE, seed: VALUE });
const SEED = given.number('seed', Math.floor(Math.random() * 1e6));
const JOBS = given.number('jobs', 820);
const LONG_SECONDS = 12;
const TIME_SCALE = 0.2;
/** Jobs come, and troubles happen, for so long. */
const SPREAD_MS = 150_000;
const TROUBLED_MS = 185_000;
/** Once troubles are over and no job has settled for so long, whatever is not settled is not going to be: a queue may be long. */
const STILL_MS = 60_000;

const TROUBLES: Readonly<Record<TroubleKind, number>> = {
  'socket cut off': 3,
  'socket closed': 2,
  'link down': 2,
  'stale socket': 3,
  'answer lost before': 2,
  'answer lost after': 3,
  'proxy page': 3,
  'server busy': 2,
  'bad frames': 2,
  'ComfyUI restart': 3,
  'kill -9': 4,
  SIGTERM: 3,
  'deleted from the queue': 2,
};

async function main(): Promise<void> {
  console.log(`Acceptance with ${JOBS} jobs, seed ${SEED}`);
  const chance = seeded(SEED);
  const bench = await startRedisBench({
    versions: ['0.33.0', '0.3.64', '0.3.30', '0.33.0', '0.3.64', '0.3.30'],
    timeScale: TIME_SCALE,
    instances: 3,
  });
  try {
    const run = await running(bench, chance);
    const isMet = printed(results(run));
    if (!isMet) process.exitCode = 1;
  } finally {
    await bench.close();
  }
}

async function running(bench: RedisBench, chance: ReturnType<typeof seeded>): Promise<Run> {
  const startedAt = Date.now();
  const plan = planned(bench, chance);
  const known = truth();
  const trouble = troubles(bench, known, chance);
  const callers = callersOf(bench);
  const submitted = plan.map(async (order) => {
    await sleep(order.at);
    await callers.submit(order);
  });
  const list = chance.shuffled(
    Object.entries(TROUBLES).flatMap(([kind, times]) => Array.from({ length: times }, () => kind as TroubleKind)),
  );
  const every = (TROUBLED_MS - 8_000) / list.length;
  const troubled = list.map(async (kind, n) => {
    await sleep(8_000 + n * every);
    await trouble.run(kind);
  });
  const say = setInterval(() => void progress(bench, startedAt, plan.length), 15_000);
  await Promise.all([...submitted, ...troubled]);
  const states = await settledStates(bench, startedAt);
  clearInterval(say);
  await sleep(1_000);
  for (const { comfy } of bench.servers) await known.read(comfy);
  callers.watchers.forEach((each) => each.close());
  const records = callers.watchers.flatMap((each) => each.records);
  const { cancelled, unanswered } = callers;
  return {
    bench,
    plan,
    states,
    truth: known,
    trouble,
    records,
    cancelled,
    unanswered,
    longMs: (LONG_SECONDS - 2) * 1000,
    violations: records.flatMap(violations),
    contradictions: contradictions(records),
    seconds: (Date.now() - startedAt) / 1000,
  };
}

const planned = (bench: RedisBench, chance: ReturnType<typeof seeded>): readonly Order[] =>
  orders(
    {
      count: JOBS,
      long: 4 * bench.servers.length,
      longSeconds: LONG_SECONDS,
      atOnce: Math.floor(JOBS * 0.88),
      spreadMs: SPREAD_MS,
      timeScale: TIME_SCALE,
      servers: bench.servers.map(({ url }) => url),
    },
    chance,
  );

/** Who submits, cancels and watches through all instances. */
function callersOf(bench: RedisBench) {
  const watchers = bench.instances.map(({ url, name }) => watchersAt(url, name));
  const cancelled = new Set<number>();
  const unanswered: number[] = [];

  async function submit({ n, meant, request }: Order): Promise<void> {
    const up = bench.instances.filter(({ isUp }) => isUp);
    const at = up[n % up.length]!;
    try {
      const body = JSON.stringify(request);
      const answer = await fetch(`${at.url}/jobs`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      const { promptId } = (await answer.json()) as { promptId: string };
      watchers[n % watchers.length]!.watch(promptId);
      if (n % 2 === 0) watchers[(n + 1) % watchers.length]!.watch(promptId);
      if (meant !== 'be cancelled') return;
      await sleep(8_000 + 1_000 * (n % 20));
      const other = bench.instances.filter(({ isUp }) => isUp)[(n + 1) % 2] ?? at;
      cancelled.add(n);
      await fetch(`${other.url}/jobs/${promptId}/cancel`, { method: 'POST' });
    } catch {
      unanswered.push(n);
    }
  }
  return { watchers, cancelled, unanswered, submit };
}

/** All states, once every job has ended, or none has for `STILL_MS`. */
async function settledStates({ ask }: RedisBench, startedAt: number): Promise<readonly JobState[]> {
  let states: readonly JobState[] = [];
  let settled = 0;
  let movedAt = startedAt + TROUBLED_MS;
  do {
    await sleep(500);
    states = await storedStates(ask);
    const now = states.filter(isSettled).length;
    if (now > settled) movedAt = Math.max(movedAt, Date.now());
    settled = now;
  } while (settled < states.length && Date.now() - movedAt < STILL_MS);
  return states;
}

async function progress({ ask }: RedisBench, startedAt: number, of: number): Promise<void> {
  const states = await storedStates(ask);
  const settled = states.filter(isSettled).length;
  console.log(
    `  ${Math.round((Date.now() - startedAt) / 1000)} s: ${settled} of ${of} jobs settled, ${states.length} known`,
  );
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
