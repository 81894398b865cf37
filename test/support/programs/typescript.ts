import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ROOT = join(__dirname, '../../..');
/** It lives for seconds: more room for what is new, and less that V8 compiles anew, take a quarter off its processor time. */
const FLAGS = ['--max-semi-space-size=64', '--interrupt-budget=1000000'];
/** Version 7 is a program of Go's: one checker, which looks at what all share once, and no garbage collection halve its. */
const ENV = { ...process.env, GOGC: 'off' };
const ONE_CHECKER = { typescript59: [], typescript7: ['--singleThreaded'] };

/** What a version's compiler prints where it finds nothing wrong: nothing. Rejects with what it found. */
export async function typescript(version: keyof typeof ONE_CHECKER, ...args: readonly string[]): Promise<string> {
  const command = [...FLAGS, join(ROOT, `node_modules/${version}/bin/tsc`), ...args, ...ONE_CHECKER[version]];
  try {
    return (await run(process.execPath, command, { cwd: ROOT, env: ENV })).stdout;
  } catch (error) {
    throw new Error((error as { readonly stdout: string }).stdout, { cause: error });
  }
}
