import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../network/ports';
import { endWithUs, ensureProgram } from '../programs/program';

const run = promisify(execFile);

/** Sharded pub/sub came with Redis 7. */
const OLDEST_MAJOR = 7;

/** A Redis of one's own, on a free port of 127.0.0.1 and a directory that goes with it. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Starts it again after `kill`, on the same port and directory. Resolves once it takes connections. */
  start(): Promise<void>;
  /** SIGKILL. Resolves once it is gone. */
  kill(): Promise<void>;
  /** Ends it for good and removes its directory. */
  stop(): Promise<void>;
  /** SIGSTOP: its connections stay open, and nothing is answered. */
  pause(): void;
  resume(): void;
}

/** Starts the system's `redis-server` with `args` on top; without them it keeps nothing on disk. */
export async function startRedis({ args = [] }: { readonly args?: readonly string[] } = {}): Promise<RedisServer> {
  const directory = await mkdtemp(join(tmpdir(), 'jobstream-redis-'));
  let server: ChildProcess | undefined;

  async function launch(port: number): Promise<void> {
    const fixed = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', directory, '--save', '', '--daemonize', 'no'];
    const child = spawn('redis-server', [...fixed, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    server = child;
    endWithUs(child, 'KILL');
    await readiness(child);
  }

  async function kill(): Promise<void> {
    const child = server;
    server = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  const port = await freePort();
  await launch(port);
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    start: () => launch(port),
    kill,
    stop: async () => {
      await kill();
      await rm(directory, { recursive: true, force: true });
    },
    pause: () => void server?.kill('SIGSTOP'),
    resume: () => void server?.kill('SIGCONT'),
  };
}

/** Makes sure there is a `redis-server` of version 7 or newer, installing Debian's if there is none. Rejects with what to do. */
export async function ensureRedisServer(): Promise<void> {
  await ensureProgram('redis-server', 'redis-server');
  const major = await installedMajor();
  if (major === undefined || major < OLDEST_MAJOR) {
    throw new Error(`The tests need redis-server ${OLDEST_MAJOR} or newer on the PATH; found ${major ?? 'none'}.`);
  }
}

async function installedMajor(): Promise<number | undefined> {
  try {
    const { stdout } = await run('redis-server', ['--version']);
    return Number(/v=(\d+)/.exec(stdout)?.[1]);
  } catch {
    return undefined;
  }
}

/** Resolves once the server takes connections; rejects with its log if it ends before. */
function readiness(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let log = '';
    child.stdout?.on('data', (text: Buffer) => {
      log += text.toString();
      if (!log.includes('Ready to accept connections')) return;
      child.stdout?.removeAllListeners('data').resume();
      resolve();
    });
    child.stderr?.on('data', (text: Buffer) => (log += text.toString()));
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`redis-server ended: ${log}`)));
  });
}
