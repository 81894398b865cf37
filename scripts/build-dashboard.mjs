// Builds the dashboard into gateway/dashboard/dist, unless what is there is newer than all it is made of.
// Usage: node scripts/build-dashboard.mjs
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const FROM = ['gateway/dashboard', 'gateway/client', 'gateway/wire', 'streams'];
const WITH = ['package-lock.json', 'scripts/build-dashboard.mjs'];
const BUILT = 'gateway/dashboard/dist';

const filesOf = (path) =>
  statSync(path).isDirectory()
    ? readdirSync(path)
        .map((name) => join(path, name))
        .filter((inner) => inner !== BUILT)
        .flatMap(filesOf)
    : [path];

const newest = Math.max(...[...FROM.flatMap(filesOf), ...WITH].map((path) => statSync(path).mtimeMs));
const entry = join(BUILT, 'index.html');
if (!existsSync(entry) || statSync(entry).mtimeMs < newest) {
  const { build } = await import('vite');
  await build({ configFile: 'gateway/dashboard/vite.config.mts', logLevel: 'warn' });
}
