import { execFileSync, fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { SignJWT } from 'jose';
import { startRedis } from '../../support/redis/redis-server';
import { startInstance, type Instance } from '../service/instance';
import { VALUE, commandLine } from '../../../scripts/command-line';
import { atMost, noted, printed } from '../table';
import type { Tally } from './attacks';
import { ordinaryJobs, type Ordinary } from './ordinary';
import { growth, type Growth } from './growth';
import type { Orders } from './user';

/**
 * Three instances on one Redis under a hostile user with a valid token and a hostile
 * ComfyUI among the servers, beside 50 ordinary jobs of another user. `PROFILE=…` writes CPU profiles there.
 */
const SECONDS = commandLine('usage: npm run hostile -- [--seconds 60]', { seconds: VALUE }).number('seconds', 60);
const JOBS = 50;
const SECRET = 'a secret of the hostile bench, long enough 4711';
const MIB = 2 ** 20;

const tokenOf = (sub: string): Promise<string> =>
  new SignJWT({ sub })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(Buffer.from(SECRET));

/** A key and a certificate for 127.0.0.1. */
async function selfSigned(
  directory: string,
): Promise<{ readonly key: string; readonly cert: string; readonly file: string }> {
  const [key, file] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync('openssl', ['req', ...kind, ...subject, '-keyout', key, '-out', file], { stdio: 'ignore' });
  return { key: await readFile(key, 'utf8'), cert: await readFile(file, 'utf8'), file };
}

/** A script of this folder, in a process of its own. */
const forked = (script: string): ChildProcess =>
  fork(join(__dirname, script), [], { execArgv: ['--max-old-space-size=8192', '--import', 'tsx'], stdio: 'inherit' });

async function main(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'jobstream-hostile-'));
  const redis = await startRedis();
  const ask = new Redis(redis.url);
  const tls = await selfSigned(directory);
  const children = ['servers.ts', 'servers.ts', 'comfyui.ts', 'user.ts', 'user.ts', 'probe.ts'].map(forked);
  const [honest, flooded, comfy, user, other, probe] = children as [
    ChildProcess,
    ChildProcess,
    ChildProcess,
    ChildProcess,
    ChildProcess,
    ChildProcess,
  ];
  const [[urls], [floodedUrls], [hostileServer]] = (await Promise.all(
    [honest, flooded, comfy].map((each) => once(each, 'message')),
  )) as [[string[]], [string[]], [string]];
  const servers = [
    // A GPU that a hostile user keeps busy has a long queue: what is looked at here is the service.
    ...urls.map((url) => ({ url, tags: ['character_sheet'] })),
    ...floodedUrls.map((url) => ({ url, tags: ['image_generation', 'face_swap'] })),
    { url: hostileServer, tags: ['hostile'] },
  ];
  const serversFile = join(directory, 'servers.json');
  await writeFile(serversFile, JSON.stringify(servers));
  const environment = {
    COMFYUI_URL: serversFile,
    REDIS_URL: redis.url,
    JWT_SECRET: SECRET,
    WEBHOOK_SECRET: `whsec_${Buffer.from(SECRET.slice(0, 32)).toString('base64')}`,
    WEBHOOK_HOSTS: '127.0.0.1',
    NODE_EXTRA_CA_CERTS: tls.file,
    LOG_LEVEL: 'warn',
    // As the image has it.
    MALLOC_ARENA_MAX: '2',
    MALLOC_MMAP_THRESHOLD_: '262144',
    MALLOC_TRIM_THRESHOLD_: '262144',
    NODE_OPTIONS: `--max-semi-space-size=4 ${process.env['OPTIONS'] ?? ''}`,
  };
  const instances = await Promise.all(
    [0, 1, 2].map((n) => startInstance(`i${n}`, environment, join(directory, `i${n}.log`))),
  );
  try {
    await sleep(3_000);
    const outcome = await tormented({ instances, ask, comfy, users: [user, other], probe, tls });
    const counted = once(honest, 'message') as Promise<[[string, number][]]>;
    honest.send('count');
    const executions = new Map((await counted)[0]);
    for (const bug of await bugsIn(directory)) console.log(bug.slice(0, 600));
    report(outcome, (runId) => executions.get(runId) ?? 0);
  } finally {
    children.forEach((each) => each.kill('SIGKILL'));
    await Promise.all(instances.map((each) => (process.env['OPTIONS'] === undefined ? each.kill() : each.terminate())));
    ask.disconnect();
    await redis.stop();
    if (process.env['KEEP_LOGS'] === undefined) await rm(directory, { recursive: true, force: true });
    else console.log(`Logs are in ${directory}`);
  }
}

/** Bugs that an instance's log tells of. */
async function bugsIn(directory: string): Promise<readonly string[]> {
  const logs = await Promise.all([0, 1, 2].map((n) => readFile(join(directory, `i${n}.log`), 'utf8')));
  return logs.flatMap((log) => log.split('\n').filter((line) => /"level":[56]0/.test(line))).slice(0, 5);
}

interface Scene {
  readonly instances: readonly Instance[];
  readonly ask: Redis;
  readonly comfy: ChildProcess;
  /** Who attacks by requests, and who over sockets. */
  readonly users: readonly [ChildProcess, ChildProcess];
  readonly probe: ChildProcess;
  readonly tls: { readonly key: string; readonly cert: string };
}

interface Outcome {
  readonly exits: number;
  readonly latencies: readonly number[];
  readonly grown: Growth;
  readonly ordinary: readonly Ordinary[];
  readonly tally: Tally;
}

async function tormented({ instances, ask, comfy, users, probe, tls }: Scene): Promise<Outcome> {
  const pids = instances.map(({ pid }) => pid);
  const urls = instances.map(({ url }) => url);
  const jobs = ordinaryJobs(urls, await tokenOf('ada'), { everyMs: (SECONDS * 800) / JOBS, count: JOBS });
  const victim = (await jobs.first) ?? '';
  const grown = await growth(pids, ask);
  probe.send(urls);
  comfy.send(victim);
  const orders = { instances: urls, token: await tokenOf('mallory'), victim, ms: SECONDS * 1000, tls };
  const told = users.map((user) => once(user, 'message') as Promise<[{ tally: Tally }]>);
  users.forEach((user, n) => user.send({ ...orders, by: n === 0 ? 'requests' : 'sockets' } satisfies Orders));
  const [[byRequests], [overSockets]] = (await Promise.all(told)) as [[{ tally: Tally }], [{ tally: Tally }]];
  const tally = { ...byRequests.tally, ...overSockets.tally };
  const measured = once(probe, 'message') as Promise<[number[]]>;
  probe.send('stop');
  const [latencies] = await measured;
  const ordinary = await jobs.ended;
  return {
    exits: instances.filter(({ pid }, n) => !isAlive(pids[n]!) || pid !== pids[n]).length,
    latencies: latencies.sort((a, b) => a - b),
    grown: await grown.stop(),
    ordinary,
    tally,
  };
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

function report({ exits, latencies, grown, ordinary, tally }: Outcome, executionsOf: (runId: string) => number): void {
  const percentile = (share: number): number => Math.round(latencies[Math.floor(latencies.length * share)] ?? Infinity);
  const count = (isSo: (job: Ordinary) => boolean): number => ordinary.filter(isSo).length;
  for (const [what, outcomes] of Object.entries(tally).sort()) console.log(`${what}: ${JSON.stringify(outcomes)}`);
  const took = ordinary.map(({ tookMs }) => tookMs).sort((a, b) => a - b);
  const isMet = printed([
    atMost('instances that ended', 0, exits),
    atMost('/livez p99, ms', 250, percentile(0.99)),
    noted('/livez p50 and last, ms', `${percentile(0.5)}, ${Math.round(latencies.at(-1) ?? 0)} of ${latencies.length}`),
    atMost('memory grown by at most, MiB', 150, Math.round(Math.max(...grown.memory) / MIB)),
    noted(
      'of each, from',
      grown.memory.map((by, n) => `${Math.round((grown.before[n] ?? 0) / MIB)} by ${Math.round(by / MIB)}`).join(', '),
    ),
    atMost('store grown by at most, MiB', 20, Math.round((grown.store / MIB) * 10) / 10),
    atMost(
      `of ${ordinary.length} ordinary jobs, refused`,
      0,
      count(({ status }) => status === 'refused'),
    ),
    atMost(
      'ordinary jobs that ended wrong',
      0,
      count(({ status }) => status !== 'completed'),
    ),
    atMost(
      'ordinary jobs not run just once',
      0,
      count(({ runId }) => executionsOf(runId) !== 1),
    ),
    atMost(
      'ordinary outputs that could not be read',
      0,
      count(({ isRead }) => !isRead),
    ),
    noted('an ordinary job took, median and longest, ms', `${took[took.length >> 1] ?? 0}, ${took.at(-1) ?? 0}`),
  ]);
  const joined = tally['floods of a user']?.['joined another’s job'] ?? 0;
  const others = Object.keys(tally['another’s job'] ?? {}).filter((status) => status !== '404');
  if (joined > 0 || others.some((status) => status.startsWith('2')))
    console.log(`  another’s job was got at: ${others.join()}`);
  if (!isMet || joined > 0 || others.some((status) => status.startsWith('2'))) process.exitCode = 1;
}

void main();
