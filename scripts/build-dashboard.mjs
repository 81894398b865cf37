// Builds the dashboard into gateway/dashboard/dist, unless what is there is newer than all it is made of.
// Usage: node scripts/build-dashboard.mjs
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

const FROM = ['gateway/dashboard', 'gateway/client', 'gateway/wire', 'streams'];
const WITH = ['package-lock.json', 'scripts/build-dashboard.mjs'];
const BUILT = 'gateway/dashboard/dist';
const ENTRY = 'index.html';
/** Who loaded the page of the build before still asks for its files. */
const KEPT_MS = 3_600_000;

const filesOf = (path) =>
  statSync(path).isDirectory()
    ? readdirSync(path)
        .map((name) => join(path, name))
        .filter((inner) => inner !== BUILT)
        .flatMap(filesOf)
    : [path];

const newest = Math.max(...[...FROM.flatMap(filesOf), ...WITH].map((path) => statSync(path).mtimeMs));
const entry = join(BUILT, ENTRY);
if (!existsSync(entry) || statSync(entry).mtimeMs < newest) {
  // Made elsewhere and put in place file by file, the page last: a gateway that runs from here meanwhile always has a whole one.
  const making = `node_modules/.cache/dashboard-${process.pid}`;
  // Under a test runner Vite would build the page as for its developers: with the places of its source, under this machine's paths.
  process.env.NODE_ENV = 'production';
  const { build } = await import('vite');
  await build({
    configFile: 'gateway/dashboard/vite.config.mts',
    logLevel: 'warn',
    build: { outDir: join(import.meta.dirname, '..', making) },
  });
  const made = filesOf(making).map((path) => path.slice(making.length + 1));
  for (const file of [...made.filter((file) => file !== ENTRY), ENTRY]) {
    const target = join(BUILT, file);
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(join(making, file), `${target}.${process.pid}`);
    renameSync(`${target}.${process.pid}`, target);
  }
  rmSync(making, { recursive: true });
  const assets = join(BUILT, 'assets');
  for (const name of readdirSync(assets)) {
    const stale = !made.includes(join('assets', name)) && Date.now() - statSync(join(assets, name)).mtimeMs > KEPT_MS;
    if (stale) rmSync(join(assets, name), { force: true });
  }
}
