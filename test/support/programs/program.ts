import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, closeSync, constants, openSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { until } from '../until';

const run = promisify(execFile);

/** Where Debian has what only root usually starts. */
const PATH = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];

/** The path of a program of the system; Debian's package with it is installed where there is none and we may. Throws with what to do. */
export async function ensureProgram(name: string, debianPackage: string): Promise<string> {
  const path = whereIs(name);
  if (path !== undefined) return path;
  const sudo = process.getuid?.() === 0 ? '' : 'sudo -n ';
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const install = `${sudo}apt-get update && ${sudo}apt-get install -y --no-install-recommends ${debianPackage}`;
  try {
    // One worker at a time: apt-get does not wait for another to be done with its lists.
    await run('flock', [join(tmpdir(), 'jobstream-apt.lock'), 'sh', '-c', install], { env });
  } catch (cause) {
    throw new Error(`The tests need ${name}, and apt-get could not install ${debianPackage}: do it by hand.`, {
      cause,
    });
  }
  const installed = whereIs(name);
  if (installed === undefined) throw new Error(`The tests need ${name}, which ${debianPackage} did not bring.`);
  return installed;
}

const whereIs = (name: string): string | undefined =>
  PATH.map((folder) => join(folder, name)).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

/** A program of the system that runs. */
export interface Program {
  readonly pid: number;
  /** Everything that it wrote so far. */
  output(): string;
  /** SIGTERM. Resolves once it is gone. */
  stop(): Promise<void>;
}

export interface ProgramOptions {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Where its output goes: a file, which some open again by the name /dev/stdout. */
  readonly logFile: string;
  /** Whether it can be used. */
  readonly isReady: (output: string) => boolean | Promise<boolean>;
}

/** Starts a program and waits until it can be used; rejects with its output where it ends before. It ends with this process. */
export async function startProgram(path: string, { args, env, logFile, isReady }: ProgramOptions): Promise<Program> {
  const log = openSync(logFile, 'a');
  const child = spawn(path, args, { stdio: ['ignore', log, log], env: { PATH: PATH.join(delimiter), ...env } });
  closeSync(log);
  await once(child, 'spawn');
  endWithUs(child, 'TERM');
  const output = (): string => readFileSync(logFile, 'utf8');
  const isGone = (): boolean => child.exitCode !== null || child.signalCode !== null;
  await until(() => {
    if (isGone()) throw new Error(`${path} ended: ${output()}`);
    return isReady(output());
  });
  return {
    pid: child.pid ?? 0,
    output,
    stop: async () => {
      if (isGone()) return;
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    },
  };
}

/** Ends the program with this process, however that ends: a jest that is killed runs no hook of ours. */
export function endWithUs(program: ChildProcess, signal: 'KILL' | 'TERM'): void {
  const stdio = ['pipe', 'ignore', 'ignore'] as const;
  // Nothing is ever written to it: what it reads is the end.
  const watcher = spawn('sh', ['-c', `read -r _; kill -${signal} "$0"`, `${program.pid}`], { stdio: [...stdio] });
  program.once('exit', () => watcher.kill('SIGKILL'));
}
