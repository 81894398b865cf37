/**
 * `npm run bench:sockets [-- SOCKETS JOBS BASE_SECONDS STALL_SECONDS]`: sockets on jobs at two updates a second each, before
 * and while 100 others read nothing; exits 1 where a target is missed. States are written to a real Redis by this process,
 * as another instance would, and come to the service, a process as it ships, by the store's feed: decode, rooms, send queues,
 * sockets. A delivery is timed from the moment before the state is written until
 * a client in a third process has it, so Redis and the clients' own delay are in it.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { lastValueFrom } from 'rxjs';
import { redisStore } from '../../sinks/redis/redis-store';
import type { JobState } from '../../streams/job/job-state';
import { startComfyUI } from '../../test/support/comfyui/stand-in';
import { startRedis } from '../../test/support/redis/redis-server';
import { startInstance, type Instance } from '../../test/system/service/instance';
import { mib } from '../heap';
import type { Figures, Order, Reader } from './sockets-talk';

const [SOCKETS = 5000, JOBS = 1000, BASE_S = 30, STALL_S = 60] = process.argv.slice(2).map(Number);
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

interface Usage {
  readonly rss: number;
  readonly cpuMs: number;
}
const TICKS_PER_SECOND = 100;

/** As Linux counts. */
async function usageOf({ pid }: Instance): Promise<Usage> {
  const [status, stat] = await Promise.all(['status', 'stat'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8')));
  const times = stat!.slice(stat!.lastIndexOf(')') + 2).split(' ');
  return {
    rss: Number(/VmRSS:\s+(\d+)/.exec(status!)?.[1]) * 1024,
    cpuMs: ((Number(times[11]) + Number(times[12])) * 1000) / TICKS_PER_SECOND,
  };
}

/** With all that is garbage collected, which takes a while: not while deliveries are timed. */
async function leanUsageOf(gateway: Instance): Promise<Usage> {
  process.kill(gateway.pid, 'SIGUSR2');
  await wait(2000);
  return usageOf(gateway);
}

const promptIdOf = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
/** Nobody's session, so that no instance takes it up. */
const stateOf = (n: number, seq: number, end = false): JobState => ({
  promptId: promptIdOf(n),
  type: 'image_generation',
  userId: `user-${n}`,
  status: end ? 'completed' : 'processing',
  progress: end ? 100 : Math.min(99, Math.round(seq * 10) / 100),
  startedAt: started,
  serverUrl: 'http://10.0.0.5:8188',
  phase: end ? 'settled' : 'running',
  ...(end
    ? {
        finishedAt: Date.now(),
        outputs: [{ nodeId: '9', kind: 'images', filename: `${n}.png`, subfolder: '', type: 'output' }],
      }
    : { node: { id: '3', type: 'KSampler', title: 'Sampler', value: seq % 20, max: 20 }, etaMs: 20_000 }),
  updatedAt: Date.now(),
  via: 'websocket',
  attempt: 1,
  epoch: started,
  seq,
});
const started = Date.now();

const tokenOf = (n: number): Promise<string> =>
  new SignJWT({ sub: `user-${n}` })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET));

async function main(): Promise<void> {
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
  const { url } = gateway;
  const clients = fork(join(__dirname, 'sockets-clients.ts'), [], { execArgv: ['--import', 'tsx'], stdio: 'inherit' });
  const order = <T>(what: Order): Promise<T> => answerOf<T>(clients, what);
  await wait(2000);
  const empty = await leanUsageOf(gateway);

  const tokens = await Promise.all(Array.from({ length: JOBS }, (_, n) => tokenOf(n)));
  const readers = Array.from({ length: SOCKETS }, (_, n): Reader => ({
    token: tokens[n % JOBS]!,
    promptIds: [promptIdOf(n % JOBS)],
  }));
  const service = await new SignJWT({ role: 'service' })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET));
  const began = performance.now();
  await order({ tag: 'open', url, readers });
  console.log(`${SOCKETS} sockets in ${JOBS} rooms after ${((performance.now() - began) / 1000).toFixed(1)} s`);
  await wait(2000);
  const joined = await leanUsageOf(gateway);
  const perSocket = (joined.rss - empty.rss) / SOCKETS / 1024;

  let [seq, next, made] = [0, 0, 0];
  const perTick = (JOBS * UPDATES_PER_SECOND * TICK_MS) / 1000;
  let owed = 0;
  const updating = setInterval(() => {
    for (owed += perTick; owed >= 1; owed -= 1) {
      if (next === 0) seq += 1;
      void put(stateOf(next, seq));
      made += 1;
      next = (next + 1) % JOBS;
    }
  }, TICK_MS);

  const measured = async (seconds: number): Promise<{ figures: Figures; highest: number }> => {
    await order({ tag: 'figures' });
    const before = await usageOf(gateway);
    made = 0;
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
      `  ${Math.round((made / ms) * 1000)} states a second, ${Math.round((figures.delivered / ms) * 1000)} deliveries; ` +
        `p50 ${figures.p50.toFixed(1)} ms, p99 ${figures.p99.toFixed(1)} ms, worst ${figures.worst.toFixed(0)} ms; ` +
        `gateway ${Math.round((cpuMs / ms) * 100)} % of a core, RSS up to ${mib(highest)}`,
    );
    return { figures, highest };
  };

  await wait(3000);
  console.log('nobody stalls:');
  const base = await measured(BASE_S);
  console.log(`${STALLED.sockets} more in ${STALLED.jobs} rooms each, which read nothing:`);
  const stalling = Array.from({ length: STALLED.sockets }, (_, n): Reader => ({
    token: service,
    promptIds: Array.from({ length: Math.min(STALLED.jobs, JOBS) }, (__, k) =>
      promptIdOf((n * STALLED.jobs + k) % JOBS),
    ),
  }));
  await order({ tag: 'stall', url, readers: stalling });
  const stalled = await measured(STALL_S);
  await order({ tag: 'release' });
  console.log('nobody stalls any more:');
  const after = await measured(BASE_S);
  clearInterval(updating);

  for (let n = 0; n < JOBS; n += 1) {
    void put(stateOf(n, seq + 1, true));
    if (n % 10 === 0) await wait(TICK_MS);
  }
  await wait(7000);
  const end = await order<Figures>({ tag: 'figures' });
  const ratio = stalled.figures.p99 / ((base.figures.p99 + after.figures.p99) / 2);
  const moreMb = (stalled.highest - base.highest) / 2 ** 20;
  const verdicts: readonly (readonly [string, boolean])[] = [
    [`ends arrived at ${end.ended} of ${SOCKETS} sockets, p99 ${end.p99.toFixed(1)} ms`, end.ended === SOCKETS],
    [`delivery p99 ${base.figures.p99.toFixed(1)} ms (target ${TARGET.p99Ms})`, base.figures.p99 <= TARGET.p99Ms],
    [`${perSocket.toFixed(1)} KB of RSS a socket (target ${TARGET.socketKb})`, perSocket <= TARGET.socketKb],
    [`${moreMb.toFixed(1)} MB more while 100 stall (target ${TARGET.stallMb})`, moreMb <= TARGET.stallMb],
    [
      `p99 while 100 stall is ${ratio.toFixed(2)} of that before and after (target ${TARGET.ratio})`,
      ratio <= TARGET.ratio,
    ],
  ];
  for (const [what, isMet] of verdicts) console.log(`${isMet ? 'ok    ' : 'MISSED'}  ${what}`);
  if (verdicts.some(([, isMet]) => !isMet)) process.exitCode = 1;
  clients.kill('SIGKILL');
  await gateway.terminate();
  await lastValueFrom(store.close(), { defaultValue: undefined });
  await Promise.all([comfy.stop(), redis.stop(), rm(directory, { recursive: true })]);
}

void main();
