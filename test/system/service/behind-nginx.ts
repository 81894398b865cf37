import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Redis } from 'ioredis';
import { SECRET } from '../../gateway/support/admission/tokens';
import { startComfyUI, type ComfyUIStandIn } from '../../support/comfyui/stand-in';
import { canary, lookThrough } from '../../support/jest/canary';
import { ensureProgram, startProgram, type Program } from '../../support/programs/program';
import { freePort } from '../../support/network/ports';
import { startInstance, type Instance } from './instance';

const OPS = resolve(__dirname, '../../../ops');
const PASSWORD = canary('redis-password');

/** What docker-compose.yml puts together, by Debian's programs: the same files, other ports. */
export interface Deployment {
  /** Where nginx listens. */
  readonly url: string;
  readonly comfy: ComfyUIStandIn;
  readonly gateways: readonly Instance[];
  readonly nginx: Program;
  /** Past everything. */
  readonly redis: Redis;
  readonly redisProgram: Program;
  /** Where each gateway serves its metrics. */
  readonly metrics: readonly string[];
  readonly directory: string;
  close(): Promise<void>;
}

/** Two gateways behind nginx on one Redis; `settings` on top of theirs. */
export async function startDeployment(settings: Readonly<Record<string, string>> = {}): Promise<Deployment> {
  const endings: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of endings.splice(0).reverse()) await end();
  };
  try {
    return { ...(await deploy(settings, endings)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What is started says how it is ended, the first first. */
async function deploy(
  settings: Readonly<Record<string, string>>,
  endings: (() => Promise<unknown>)[],
): Promise<Omit<Deployment, 'close'>> {
  const directory = await mkdtemp(join(tmpdir(), 'jobstream-deployment-'));
  endings.push(() => rm(directory, { recursive: true }));
  // nginx's workers are another user.
  await chmod(directory, 0o755);
  const comfy = await startComfyUI({ version: '0.33.0' });
  endings.push(() => comfy.stop());
  const { program: redisProgram, port } = await redisIn(directory);
  endings.push(() => redisProgram.stop());
  const redis = new Redis({ port, password: PASSWORD, maxRetriesPerRequest: null });
  redis.on('error', () => undefined);
  endings.push(() => {
    redis.disconnect();
    return Promise.resolve();
  });
  const environment = {
    COMFYUI_URL: comfy.url,
    REDIS_URL: `redis://:${PASSWORD}@127.0.0.1:${port}`,
    STORE_STRICT: '1',
    JWT_SECRET: new TextDecoder().decode(SECRET),
    PROXIES: '1',
    ...settings,
  };
  const ports = [await freePort(), await freePort()];
  const gateways = await Promise.all(
    ports.map((metricsPort, n) =>
      startInstance(
        `gateway-${n + 1}`,
        { ...environment, METRICS_PORT: `${metricsPort}` },
        join(directory, `gateway-${n + 1}.log`),
      ),
    ),
  );
  endings.push(() => Promise.all(gateways.map((gateway) => gateway.kill())));
  const { program: nginx, url } = await nginxIn(directory, gateways);
  endings.push(async () => {
    await nginx.stop();
    lookThrough('nginx’s log', nginx.output());
  });
  const metrics = ports.map((metricsPort) => `127.0.0.1:${metricsPort}`);
  return { url, comfy, gateways, nginx, redis, redisProgram, metrics, directory };
}

async function redisIn(directory: string): Promise<{ readonly program: Program; readonly port: number }> {
  await ensureProgram('redis-server', 'redis-server');
  const [port, data] = [await freePort(), join(directory, 'redis')];
  await mkdir(data);
  const program = await startProgram('/bin/sh', {
    args: [join(OPS, 'redis/start.sh'), '--port', `${port}`, '--dir', data],
    env: { REDIS_PASSWORD: PASSWORD },
    logFile: join(directory, 'redis.log'),
    isReady: (output) => output.includes('Ready to accept connections'),
  });
  return { program, port };
}

async function nginxIn(
  directory: string,
  gateways: readonly Instance[],
): Promise<{ readonly program: Program; readonly url: string }> {
  const path = await ensureProgram('nginx', 'nginx-light');
  const port = await freePort();
  const servers = gateways.map(({ url }) => `server ${new URL(url).host} max_fails=0;\n`);
  await copyFile(join(OPS, 'nginx/nginx.conf'), join(directory, 'nginx.conf'));
  await writeFile(join(directory, 'gateways.conf'), servers.join(''));
  await writeFile(join(directory, 'listen.conf'), `listen 127.0.0.1:${port};\n`);
  const url = `http://127.0.0.1:${port}`;
  const program = await startProgram(path, {
    args: ['-p', directory, '-c', join(directory, 'nginx.conf'), '-e', 'stderr', '-g', 'daemon off;'],
    logFile: join(directory, 'nginx.log'),
    isReady: () =>
      fetch(`${url}/livez`).then(
        ({ ok }) => ok,
        () => false,
      ),
  });
  return { program, url };
}

/** Which gateway holds a job. */
export async function holderOf(promptId: string, { redis, gateways }: Deployment): Promise<Instance | undefined> {
  const { clientId } = JSON.parse((await redis.get(`comfyui:job:${promptId}`)) ?? '{}') as { clientId?: string };
  const lease = clientId === undefined ? null : await redis.get(`jobstream:lease:{${clientId}}`);
  const { process: owner } = JSON.parse(lease ?? '{}') as { readonly process?: { readonly pid: number } };
  return gateways.find(({ pid }) => pid === owner?.pid);
}

/** Debian's Prometheus with our configuration and rules, asking these gateways. Resolves with where it answers. */
export async function startPrometheus({
  directory,
  metrics,
}: Deployment): Promise<{ readonly program: Program; readonly url: string }> {
  const path = await ensureProgram('prometheus', 'prometheus');
  const [port, folder] = [await freePort(), join(directory, 'prometheus')];
  await mkdir(folder);
  for (const name of ['prometheus.yml', 'rules.yml']) await copyFile(join(OPS, 'prometheus', name), join(folder, name));
  await writeFile(join(folder, 'targets.yml'), JSON.stringify([{ targets: metrics }]));
  const url = `http://127.0.0.1:${port}`;
  const program = await startProgram(path, {
    args: [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    logFile: join(folder, 'log'),
    isReady: () =>
      fetch(`${url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      ),
  });
  return { program, url };
}
