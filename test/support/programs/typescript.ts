import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ROOT = join(__dirname, '../../..');
/** It lives for seconds: more room for what is new, and less that V8 compiles anew, take a quarter off its processor time. */
const FLAGS = ['--max-semi-space-size=64', '--interrupt-budget=1000000'];

/** What a version's compiler prints where it finds nothing wrong: nothing. Rejects with what it found. */
export async function typescript(version: 'typescript59' | 'typescript7', ...args: readonly string[]): Promise<string> {
  const command = [...FLAGS, join(ROOT, `node_modules/${version}/bin/tsc`), ...args];
  try {
    return (await run(process.execPath, command, { cwd: ROOT })).stdout;
  } catch (error) {
    throw new Error((error as { readonly stdout: string }).stdout, { cause: error });
  }
}
