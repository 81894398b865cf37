// Compiles to CommonJS with types, bundles the browser client, builds the dashboard: all beside dist/, which is then
// exchanged, so that a service that runs from it never finds half of it.
// Usage: node scripts/build.mjs [--if-stale]   with --if-stale, only where dist/ is older than what it is made of
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

const FROM = ['index.ts', 'pipeline', 'streams', 'sources', 'sinks', 'gateway', 'compat'];
const WITH = [
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'tsconfig.client.json',
  'scripts/build.mjs',
];
const SKIPPED = ['dist', 'node_modules'];

const filesOf = (path) =>
  statSync(path).isDirectory()
    ? readdirSync(path)
        .filter((name) => !SKIPPED.includes(name))
        .flatMap((name) => filesOf(join(path, name)))
    : [path];

const isFresh = () => {
  if (!existsSync('dist/gateway/cli/main.js')) return false;
  const made = statSync('dist/gateway/cli/main.js').mtimeMs;
  return [...FROM, ...WITH].flatMap(filesOf).every((path) => statSync(path).mtimeMs <= made);
};

if (process.argv.includes('--if-stale') && isFresh()) process.exit(0);

const made = `dist.${process.pid}.new`;
const old = `dist.${process.pid}.old`;
const node = (...args) => execFileSync(process.execPath, args, { stdio: 'inherit' });
try {
  node('node_modules/typescript7/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', made);
  node('scripts/build-client.mjs', join(made, 'client'));
  node('scripts/build-dashboard.mjs');
  cpSync('gateway/dashboard/dist', join(made, 'gateway/dashboard/dist'), { recursive: true });
  // The compiler leaves out what is no TypeScript.
  cpSync('sinks/redis/scripts', join(made, 'sinks/redis/scripts'), {
    recursive: true,
    filter: (path) => !path.endsWith('.ts'),
  });
  chmodSync(join(made, 'gateway/cli/main.js'), 0o755);
  if (existsSync('dist')) renameSync('dist', old);
  renameSync(made, 'dist');
} finally {
  for (const path of [made, old]) rmSync(path, { recursive: true, force: true });
}
