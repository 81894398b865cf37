/** Compiles everything as it is shipped and runs one file of it: `compiled.mjs [node's options] bench/growth/growth [its own]`. */
import { spawnSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const out = join(root, 'node_modules', '.cache', 'compiled');
const tsc = join(root, 'node_modules', 'typescript7', 'bin', 'tsc');
const args = process.argv.slice(2);
const at = args.findIndex((arg) => !arg.startsWith('-'));

const run = (given) => {
  const { status, error } = spawnSync(process.execPath, given, { cwd: root, stdio: 'inherit' });
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
};

run([tsc, '--noEmit', 'false', '--outDir', out]);
cpSync(join(root, 'sinks', 'redis', 'scripts'), join(out, 'sinks', 'redis', 'scripts'), {
  recursive: true,
  filter: (from) => !from.endsWith('.ts'),
});
// Benches that play recordings read them beside the tests.
rmSync(join(out, 'test', 'recordings'), { recursive: true, force: true });
cpSync(join(root, 'test', 'recordings'), join(out, 'test', 'recordings'), { recursive: true });
run([...args.slice(0, at), join(out, `${args[at]}.js`), ...args.slice(at + 1)]);
