import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { resolve } from 'node:path';
import { freePort } from '../../support/network/ports';
import { builtScript } from '../../support/programs/built';

const ROOT = resolve(__dirname, '../../..');

/** The service in a process of its own. */
export interface Instance {
  readonly name: string;
  /** The same after each restart. */
  readonly url: string;
  readonly pid: number;
  readonly isUp: boolean;
  /** Whether it takes connections: it is up, and its start is over. */
  readonly isListening: boolean;
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
  const instance = new ServiceProcess(name, environment, logFile);
  await instance.start();
  return instance;
}

class ServiceProcess implements Instance {
  readonly name: string;
  url = '';
  upAt = 0;
  /** The process that said where it listens. */
  #listening: ChildProcess | undefined;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #logFile: string;
  readonly #log: WriteStream;
  #child: ChildProcess | undefined;
  /** The end of the process before, which may still be on its port. */
  #leaving: Promise<unknown> = Promise.resolve();

  constructor(name: string, environment: Readonly<Record<string, string>>, logFile: string) {
    this.name = name;
    this.#environment = environment;
    this.#logFile = logFile;
    this.#log = createWriteStream(logFile, { flags: 'a' });
    process.once('exit', () => this.#child?.kill('SIGKILL'));
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get isUp(): boolean {
    return this.#child !== undefined;
  }

  get isListening(): boolean {
    return this.#child !== undefined && this.#child === this.#listening;
  }

  async start(): Promise<void> {
    await this.#leaving;
    const port = this.url === '' ? `${await freePort()}` : new URL(this.url).port;
    const env = { PATH: process.env['PATH'], PORT: port, LOG_LEVEL: 'info', ...this.#environment };
    const started = spawn(process.execPath, [builtScript('gateway/cli/main.ts')], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: ROOT,
    });
    this.#child = started;
    started.stderr.pipe(this.#log, { end: false });
    this.url = await new Promise<string>((found, lost) => {
      let out = '';
      started.stdout.on('data', (text: Buffer) => {
        out += text.toString();
        const address = /http:\S+/.exec(out)?.[0];
        if (address !== undefined) found(address);
      });
      started.once('exit', (code) => lost(new Error(`${this.name} ended with ${code}, see ${this.#logFile}`)));
    });
    this.#listening = started;
    this.upAt = Date.now();
  }

  async kill(): Promise<void> {
    await this.#gone('SIGKILL');
  }

  terminate(): Promise<number | null> {
    return this.#gone('SIGTERM');
  }

  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  async #gone(signal: NodeJS.Signals): Promise<number | null> {
    const ending = this.#child;
    this.#child = undefined;
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return ending?.exitCode ?? null;
    const exit = once(ending, 'exit');
    this.#leaving = exit;
    ending.kill(signal);
    const [code] = (await exit) as [number | null];
    return code;
  }
}
