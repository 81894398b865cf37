import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { resolve } from 'node:path';
import { builtScript } from '../../support/programs/built';

const ROOT = resolve(__dirname, '../../..');

/** The service in a process of its own. */
export interface Instance {
  readonly name: string;
  /** The same after each restart. */
  readonly url: string;
  readonly pid: number;
  readonly isUp: boolean;
  /** When it last took connections. */
  readonly upAt: number;
  start(): Promise<void>;
  /** SIGKILL. Resolves once it is gone. */
  kill(): Promise<void>;
  /** SIGTERM. Resolves once it is gone, with its exit code. */
  terminate(): Promise<number | null>;
  /** SIGSTOP: a zombie, once its leases have run out. */
  pause(): void;
  resume(): void;
}

/** Starts the service with these settings, on a port that it keeps. Its log goes to `logFile`. */
export async function startInstance(
  name: string,
  environment: Readonly<Record<string, string>>,
  logFile: string,
): Promise<Instance> {
  let child: ChildProcess | undefined;
  let leaving: Promise<unknown> = Promise.resolve();
  process.once('exit', () => child?.kill('SIGKILL'));
  let url = '';
  let upAt = 0;
  const log = createWriteStream(logFile, { flags: 'a' });

  async function start(): Promise<void> {
    // The one before may still be on its port.
    await leaving;
    const port = url === '' ? '0' : new URL(url).port;
    const env = { PATH: process.env['PATH'], PORT: port, LOG_LEVEL: 'info', ...environment };
    const started = spawn(process.execPath, [builtScript('gateway/cli/main.ts')], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: ROOT,
    });
    child = started;
    started.stderr.pipe(log, { end: false });
    url = await new Promise<string>((found, lost) => {
      let out = '';
      started.stdout.on('data', (text: Buffer) => {
        out += text.toString();
        const address = /http:\S+/.exec(out)?.[0];
        if (address !== undefined) found(address);
      });
      started.once('exit', (code) => lost(new Error(`${name} ended with ${code}, see ${logFile}`)));
    });
    upAt = Date.now();
  }

  async function gone(signal: NodeJS.Signals): Promise<number | null> {
    const ending = child;
    child = undefined;
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return ending?.exitCode ?? null;
    const exit = once(ending, 'exit');
    leaving = exit;
    ending.kill(signal);
    const [code] = (await exit) as [number | null];
    return code;
  }

  await start();
  return {
    name,
    get url() {
      return url;
    },
    get pid() {
      return child?.pid ?? 0;
    },
    get isUp() {
      return child !== undefined;
    },
    get upAt() {
      return upAt;
    },
    start,
    kill: async () => {
      await gone('SIGKILL');
    },
    terminate: () => gone('SIGTERM'),
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
  };
}
