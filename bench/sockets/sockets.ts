/**
 * `npm run bench:sockets`: sockets on jobs at two updates a second each, before
 * and while 100 others read nothing; exits 1 where a target is missed. States are written to a real Redis by this process,
 * as another instance would, and come to the service, a process as it ships, by the store's feed: decode, rooms, send queues,
 * sockets. A delivery is timed from the moment before the state is written until
 * a client in a third process has it, so Redis and the clients' own delay are in it.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT, type JWTPayload } from 'jose';
import { lastValueFrom } from 'rxjs';
import { VALUE, commandLine } from '../../scripts/command-line';
import { redisStore } from '../../sinks/redis/redis-store';
import type { JobState } from '../../streams/job/job-state';
import { startComfyUI } from '../../test/support/comfyui/stand-in';
import { startRedis } from '../../test/support/redis/redis-server';
import { startInstance } from '../../test/system/service/instance';
import { mib } from '../heap';
import { leanUsageOf, usageOf } from './gateway-usage';
import { promptIdOf, stateOf } from './job-states';
import type { Figures, Order, Reader } from './sockets-talk';

const given = commandLine('usage: npm run bench:sockets -- [--sockets 5000] [--jobs 1000] [--base 30] [--stall 60]', {
  sockets: VALUE,
  jobs: VALUE,
  base: VALUE,
  stall: VALUE,
});
const [SOCKETS, JOBS] = [given.number('sockets', 5000), given.number('jobs', 1000)];
/** Seconds. */
const [BASE_S, STALL_S] = [given.number('base', 30), given.number('stall', 60)];
const UPDATES_PER_SECOND = 2;
const STALLED = { sockets: 100, jobs: 20 };
const TICK_MS = 10;
const TARGET = { p99Ms: 100, socketKb: 40, stallMb: 50, ratio: 1.2 };
const SECRET = 'the secret of a benchmark, 32 bytes and more';

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const answerOf = async <T>(process: ChildProcess, message: Order): Promise<T> => {
  const answered = once(process, 'message');
  process.send(message);
  const [answer] = (await answered) as [T];
  return answer;
};

const signed = (claims: JWTPayload): Promise<string> =>
  new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET));

/** Redis, a ComfyUI, the gateway in its own process and the clients in another. */
async function startedWorld() {
  const [redis, comfy] = [await startRedis(), await startComfyUI({ version: '0.33.0' })];
  const store = redisStore({ url: redis.url, report: (where, error) => console.error(where, error) });
  const put = (state: JobState): Promise<unknown> => lastValueFrom(store.put(state));
  await Promise.all(Array.from({ length: JOBS }, (_, n) => put(stateOf(n, 0))));
  const directory = await mkdtemp(join(tmpdir(), 'bench-sockets-'));
  const gateway = await startInstance(
    'the gateway',
    {
      REDIS_URL: redis.url,
      COMFYUI_URL: comfy.url,
      JWT_SECRET: SECRET,
      LOG_LEVEL: 'warn',
      NODE_OPTIONS: `--require ${join(__dirname, 'collect-on-signal.cjs')}`,
    },
    join(directory, 'log'),
  );
  const clients = fork(join(__dirname, 'sockets-clients.ts'), [], { execArgv: ['--import', 'tsx'], stdio: 'inherit' });
  return {
    gateway,
    put,
    order: <T>(what: Order): Promise<T> => answerOf<T>(clients, what),
    async stop(): Promise<void> {
      clients.kill('SIGKILL');
      await gateway.terminate();
      await lastValueFrom(store.close(), { defaultValue: undefined });
      await Promise.all([comfy.stop(), redis.stop(), rm(directory, { recursive: true })]);
    },
  };
}

type World = Awaited<ReturnType<typeof startedWorld>>;

/** One reader a socket, each of one job, by the token of the job's user. */
async function ordinaryReaders(): Promise<readonly Reader[]> {
  const tokens = await Promise.all(Array.from({ length: JOBS }, (_, n) => signed({ sub: `user-${n}` })));
  return Array.from({ length: SOCKETS }, (_, n): Reader => ({
    token: tokens[n % JOBS]!,
    promptIds: [promptIdOf(n % JOBS)],
  }));
}

/** Readers of a service, each of several jobs. */
async function stallingReaders(): Promise<readonly Reader[]> {
  const token = await signed({ role: 'service' });
  const jobsOf = (n: number): readonly string[] =>
    Array.from({ length: Math.min(STALLED.jobs, JOBS) }, (_, k) => promptIdOf((n * STALLED.jobs + k) % JOBS));
  return Array.from({ length: STALLED.sockets }, (_, n): Reader => ({ token, promptIds: jobsOf(n) }));
}

/** Opens the ordinary sockets; resolves with how many KB of the gateway's memory each takes. */
async function opened({ gateway, order }: World): Promise<number> {
  await wait(2000);
  const empty = await leanUsageOf(gateway);
  const readers = await ordinaryReaders();
  const began = performance.now();
  await order({ tag: 'open', url: gateway.url, readers });
  console.log(`${SOCKETS} sockets in ${JOBS} rooms after ${((performance.now() - began) / 1000).toFixed(1)} s`);
  await wait(2000);
  const joined = await leanUsageOf(gateway);
  return (joined.rss - empty.rss) / SOCKETS / 1024;
}

/** Writes each job's next state `UPDATES_PER_SECOND` times a second, the jobs spread over time. */
function updating({ put }: World) {
  const perTick = (JOBS * UPDATES_PER_SECOND * TICK_MS) / 1000;
  const at = { seq: 0, made: 0 };
  let [next, owed] = [0, 0];
  const ticking = setInterval(() => {
    for (owed += perTick; owed >= 1; owed -= 1) {
      if (next === 0) at.seq += 1;
      void put(stateOf(next, at.seq));
      at.made += 1;
      next = (next + 1) % JOBS;
    }
  }, TICK_MS);
  return { at, stop: () => clearInterval(ticking) };
}

interface Measured {
  readonly figures: Figures;
  /** The most memory that was seen, bytes. */
  readonly highest: number;
}

async function measured({ gateway, order }: World, at: { made: number }, seconds: number): Promise<Measured> {
  await order({ tag: 'figures' });
  const before = await usageOf(gateway);
  at.made = 0;
  const from = performance.now();
  let highest = 0;
  while (performance.now() - from < seconds * 1000) {
    await wait(2000);
    highest = Math.max(highest, (await usageOf(gateway)).rss);
  }
  const figures = await order<Figures>({ tag: 'figures' });
  const ms = performance.now() - from;
  const cpuMs = (await usageOf(gateway)).cpuMs - before.cpuMs;
  console.log(
    `  ${Math.round((at.made / ms) * 1000)} states a second, ${Math.round((figures.delivered / ms) * 1000)} deliveries; ` +
      `p50 ${figures.p50.toFixed(1)} ms, p99 ${figures.p99.toFixed(1)} ms, worst ${figures.worst.toFixed(0)} ms; ` +
      `gateway ${Math.round((cpuMs / ms) * 100)} % of a core, RSS up to ${mib(highest)}`,
  );
  return { figures, highest };
}

/** Ends all jobs, a hundred each tenth of a second; resolves with what the clients heard of it. */
async function ended({ put, order }: World, seq: number): Promise<Figures> {
  for (let n = 0; n < JOBS; n += 1) {
    void put(stateOf(n, seq + 1, true));
    if (n % 10 === 0) await wait(TICK_MS);
  }
  await wait(7000);
  return order<Figures>({ tag: 'figures' });
}

type Verdict = readonly [words: string, isMet: boolean];

function verdicts(perSocket: number, base: Measured, stalled: Measured, after: Measured, end: Figures): Verdict[] {
  const ratio = stalled.figures.p99 / ((base.figures.p99 + after.figures.p99) / 2);
  const moreMb = (stalled.highest - base.highest) / 2 ** 20;
  return [
    [`ends arrived at ${end.ended} of ${SOCKETS} sockets, p99 ${end.p99.toFixed(1)} ms`, end.ended === SOCKETS],
    [`delivery p99 ${base.figures.p99.toFixed(1)} ms (target ${TARGET.p99Ms})`, base.figures.p99 <= TARGET.p99Ms],
    [`${perSocket.toFixed(1)} KB of RSS a socket (target ${TARGET.socketKb})`, perSocket <= TARGET.socketKb],
    [`${moreMb.toFixed(1)} MB more while 100 stall (target ${TARGET.stallMb})`, moreMb <= TARGET.stallMb],
    [
      `p99 while 100 stall is ${ratio.toFixed(2)} of that before and after (target ${TARGET.ratio})`,
      ratio <= TARGET.ratio,
    ],
  ];
}

async function main(): Promise<void> {
  const world = await startedWorld();
  const perSocket = await opened(world);
  const updates = updating(world);
  await wait(3000);
  console.log('nobody stalls:');
  const base = await measured(world, updates.at, BASE_S);
  console.log(`${STALLED.sockets} more in ${STALLED.jobs} rooms each, which read nothing:`);
  await world.order({ tag: 'stall', url: world.gateway.url, readers: await stallingReaders() });
  const stalled = await measured(world, updates.at, STALL_S);
  await world.order({ tag: 'release' });
  console.log('nobody stalls any more:');
  const after = await measured(world, updates.at, BASE_S);
  updates.stop();
  const end = await ended(world, updates.at.seq);
  const results = verdicts(perSocket, base, stalled, after, end);
  for (const [what, isMet] of results) console.log(`${isMet ? 'ok    ' : 'MISSED'}  ${what}`);
  if (results.some(([, isMet]) => !isMet)) process.exitCode = 1;
  await world.stop();
}

void main();
