import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { builtScript } from './built';
import { lookThrough } from '../jest/canary';
import { PATIENCE_MS } from '../until';

/** The service as a process of its own. */
export interface Service {
  /** Where it listens. */
  readonly url: string;
  /** Everything it wrote so far, stdout and stderr. */
  output(): string;
  /** SIGKILL. Resolves once it is gone. */
  kill(): Promise<void>;
  /** SIGTERM. Resolves with its exit code. */
  terminate(): Promise<{ readonly code: number | null }>;
  /** SIGINT. */
  interrupt(): void;
}

/** A service that ended. */
export interface Ended {
  readonly code: number | null;
  readonly output: string;
}

type Environment = Readonly<Record<string, string>>;

const root = join(__dirname, '../../..');

/** Starts the service with these settings and no others, on a free port. Resolves once it listens; rejects with its output if it ends before. */
export async function startService(settings: Environment): Promise<Service> {
  const { child, output, ended } = launch({ PORT: '0', ...settings });
  const url = await new Promise<string>((resolve, reject) => {
    const impatience = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`the service does not listen: ${output()}`));
    }, PATIENCE_MS);
    child.stdout.on('data', () => {
      const [, address] = /listens at (http:\S+)\n/.exec(output()) ?? [];
      if (address === undefined) return;
      clearTimeout(impatience);
      resolve(address);
    });
    void ended.then(({ code }) => {
      clearTimeout(impatience);
      reject(new Error(`the service ended with ${code ?? 'a signal'}: ${output()}`));
    });
  });
  return {
    url,
    output,
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
    terminate: async () => {
      child.kill('SIGTERM');
      const { code } = await ended;
      return { code };
    },
    interrupt: () => void child.kill('SIGINT'),
  };
}

/** Runs the service with these settings and no others until it ends by itself. */
export const endOfService = (settings: Environment): Promise<Ended> => launch(settings).ended;

function launch(settings: Environment) {
  const child = spawn(process.execPath, [builtScript('gateway/cli/main.ts')], {
    cwd: root,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => (text += bytes.toString()));
  const leave = (): void => void child.kill('SIGKILL');
  process.once('exit', leave);
  const ended = once(child, 'close').then(([code]): Ended => {
    process.off('exit', leave);
    lookThrough('a service’s output', text);
    return { code: code as number | null, output: text };
  });
  return { child, output: () => text, ended };
}
