import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { SignJWT } from 'jose';
import { isSettled, type JobState } from '../../../streams/job/job-state';
import { startComfyUI } from '../../support/comfyui/stand-in';
import { steps, twoOutputs } from '../../support/comfyui/workflows';
import { startRedis } from '../../support/redis-server';
import { startInstance, type Instance } from '../instance';
import { option } from '../seeded';
import { atMost, noted, printed } from '../table';
import type { Tally } from './user';

/**
 * `npm run hostile [-- --seconds 60]`: three instances on one Redis under a hostile user with a valid token and a hostile
 * ComfyUI among the servers, beside 50 ordinary jobs of another user.
 */
const SECONDS = option('seconds') ?? 60;
const ORDINARY = 50;
const SECRET = 'a secret of the hostile bench, long enough 4711';
const MIB = 2 ** 20;

const tokenOf = (sub: string): Promise<string> =>
  new SignJWT({ sub })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(Buffer.from(SECRET));

const rssOf = async (pid: number): Promise<number> => {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
};

const usedBy = async (redis: Redis): Promise<number> =>
  Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);

async function main(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'jobstream-hostile-'));
  const comfies = await Promise.all(
    (['0.33.0', '0.3.30'] as const).map((version) => startComfyUI({ version, timeScale: 0.3 })),
  );
  const redis = await startRedis();
  const ask = new Redis(redis.url);
  const user = fork(join(__dirname, 'user.ts'), [], { execArgv: ['--import', 'tsx'], stdio: 'inherit' });
  const [{ hostileServer }] = (await once(user, 'message')) as [{ hostileServer: string }];
  const servers = [
    ...comfies.map(({ url }) => ({ url, tags: ['image_generation', 'face_swap'] })),
    { url: hostileServer, tags: ['hostile'] },
  ];
  const serversFile = join(directory, 'servers.json');
  await writeFile(serversFile, JSON.stringify(servers));
  const environment = {
    COMFYUI_URL: serversFile,
    REDIS_URL: redis.url,
    JWT_SECRET: SECRET,
    WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
    WEBHOOK_HOSTS: '127.0.0.1',
    LOG_LEVEL: 'warn',
  };
  const instances = await Promise.all(
    [0, 1, 2].map((n) => startInstance(`i${n}`, environment, join(directory, `i${n}.log`))),
  );
  try {
    await sleep(3_000);
    const outcome = await tormented(instances, ask, user);
    const executions = comfies.map(({ executions: each }) => each);
    report(
      outcome,
      (promptId) => executions.reduce((sum, each) => sum + (each.get(promptId) ?? 0), 0),
      await reportsOf(directory),
    );
  } finally {
    user.kill('SIGKILL');
    await Promise.all(instances.map((instance) => instance.kill()));
    ask.disconnect();
    await Promise.all(comfies.map((comfy) => comfy.stop()));
    await redis.stop();
    if (process.env['KEEP_LOGS'] === undefined) await rm(directory, { recursive: true, force: true });
    else console.log(`Logs are in ${directory}`);
  }
}

/** Bugs that an instance's log tells of, by message. */
async function reportsOf(directory: string): Promise<readonly string[]> {
  const logs = await Promise.all([0, 1, 2].map((n) => readFile(join(directory, `i${n}.log`), 'utf8')));
  return logs.flatMap((log) => log.split('\n').filter((line) => /"level":60/.test(line))).slice(0, 5);
}

interface Outcome {
  readonly exits: number;
  readonly latencies: readonly number[];
  readonly grown: readonly number[];
  readonly storeGrown: number;
  readonly ordinary: ReadonlyMap<
    string,
    { readonly wanted: string; readonly state: JobState | undefined; readonly runId: string }
  >;
  readonly refused: number;
  readonly tally: Tally;
}

async function tormented(instances: readonly Instance[], ask: Redis, user: ReturnType<typeof fork>): Promise<Outcome> {
  const pids = instances.map(({ pid }) => pid);
  const isAlive = (pid: number): boolean => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  const headers = { authorization: `Bearer ${await tokenOf('ada')}`, 'content-type': 'application/json' };
  const submit = async (n: number): Promise<string | undefined> => {
    const workflow = n % 3 === 0 ? twoOutputs() : steps({ steps: 20 });
    const body = JSON.stringify({ type: n % 2 === 0 ? 'image_generation' : 'face_swap', userId: 'ada', workflow });
    const answer = await fetch(`${instances[n % 3]!.url}/jobs`, { method: 'POST', headers, body }).catch(
      () => undefined,
    );
    return answer?.status === 202 ? ((await answer.json()) as { promptId: string }).promptId : undefined;
  };
  const victim = (await submit(0)) ?? '';
  const before = await Promise.all(pids.map(rssOf));
  const storeBefore = await usedBy(ask);
  const most = [...before];
  let storeMost = storeBefore;
  const latencies: number[] = [];
  let over = false;
  const probing = instances.map(async ({ url }) => {
    while (!over) {
      const began = performance.now();
      await fetch(`${url}/livez`)
        .then((answer) => answer.arrayBuffer())
        .catch(() => undefined);
      latencies.push(performance.now() - began);
      await sleep(100);
    }
  });
  const watching = (async () => {
    while (!over) {
      (await Promise.all(pids.map(rssOf))).forEach((rss, n) => (most[n] = Math.max(most[n]!, rss)));
      storeMost = Math.max(storeMost, await usedBy(ask).catch(() => 0));
      await sleep(250);
    }
  })();
  user.send({
    instances: instances.map(({ url }) => url),
    token: await tokenOf('mallory'),
    victim,
    ms: SECONDS * 1000,
  });
  const told = once(user, 'message') as Promise<[{ tally: Tally }]>;
  const promptIds: string[] = [victim];
  let refused = 0;
  for (let n = 1; n < ORDINARY; n++) {
    const promptId = await submit(n);
    if (promptId === undefined) refused += 1;
    else promptIds.push(promptId);
    await sleep((SECONDS * 800) / ORDINARY);
  }
  const [{ tally }] = await told;
  over = true;
  await Promise.all([...probing, watching]);
  const ordinary: [string, { wanted: string; state: JobState | undefined; runId: string }][] = [];
  const patience = Date.now() + 90_000;
  for (const promptId of promptIds) {
    let state: (JobState & { runId?: string }) | undefined;
    do {
      state = await ask
        .get(`comfyui:job:${promptId}`)
        .then((json) => (json === null ? undefined : (JSON.parse(json) as JobState)));
      if (state !== undefined && isSettled(state)) break;
      await sleep(250);
    } while (Date.now() < patience);
    ordinary.push([promptId, { wanted: 'completed', state, runId: state?.runId ?? promptId }]);
  }
  return {
    exits: pids.filter((pid) => !isAlive(pid)).length,
    latencies: latencies.sort((a, b) => a - b),
    grown: most.map((rss, n) => rss - before[n]!),
    storeGrown: storeMost - storeBefore,
    ordinary: new Map(ordinary),
    refused,
    tally,
  };
}

function report(outcome: Outcome, executionsOf: (id: string) => number, bugs: readonly string[]): void {
  const { exits, latencies, grown, storeGrown, ordinary, refused, tally } = outcome;
  const jobs = [...ordinary.values()];
  const percentile = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? Infinity;
  for (const [what, outcomes] of Object.entries(tally)) console.log(`${what}: ${JSON.stringify(outcomes)}`);
  for (const bug of bugs) console.log(bug.slice(0, 600));
  const isMet = printed([
    atMost('instances that ended', 0, exits),
    atMost('/livez p99, ms', 250, Math.round(percentile(0.99))),
    noted('p50 of /livez, ms', `${Math.round(percentile(0.5))}`),
    atMost('memory grown by at most, MiB', 150, Math.round(Math.max(...grown) / MIB)),
    atMost('store grown by at most, MiB', 20, Math.round((storeGrown / MIB) * 10) / 10),
    atMost('ordinary jobs refused', 0, refused),
    atMost('ordinary jobs that ended wrong', 0, jobs.filter(({ state, wanted }) => state?.status !== wanted).length),
    atMost('ordinary jobs not run just once', 0, jobs.filter(({ runId }) => executionsOf(runId) !== 1).length),
  ]);
  if (!isMet) process.exitCode = 1;
}

void main();
