import { execFileSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { buildSync } from 'esbuild';

const ROOT = resolve(__dirname, '../../..');
/** Below `node_modules`, so that what is built there finds its packages. */
const CACHE = join(ROOT, 'node_modules/.cache/jobstream');
const FROM = ['gateway', 'pipeline', 'streams', 'sources', 'sinks', 'compat', 'examples', 'scripts', 'test'];
const WITH = ['index.ts', 'package.json', 'package-lock.json'];
const NO_SOURCE = new Set(['dist', 'recordings', 'node_modules']);
/** What the tests start as processes and threads of their own. */
const STARTED = [
  'gateway/cli/main.ts',
  'gateway/http/bodies/check-thread.ts',
  'examples/in-process/run-workflow.ts',
  'scripts/replay.ts',
  'test/compat/killed-process.ts',
  'test/gateway/support/busy-process.ts',
  'test/sinks/contracts/leases/lease-holder.ts',
  'test/sinks/embedded/embedded-writer.ts',
] as const;
/** They find files of theirs beside their own: what is compiled of them, and the script of a thread. */
const UNBUNDLED = ['lmdb', 'piscina'];
/** What is started some eighty times in a run, and how else: with a file of its own, and with a Redis, here one that is away. */
const OFTEN = 'gateway/cli/main.ts';
const NOWHERE = '127.0.0.1:1';
const WAYS = (folder: string) => [{ DATA_DIR: join(folder, 'data') }, { REDIS_URL: `redis://${NOWHERE}` }];
const LUA = 'sinks/redis/scripts';
const KEPT_MS = 24 * 3_600_000;

/** The script of a file of ours that is started, as plain JavaScript in one file: what starts often must not be compiled each time. */
export const builtScript = (file: (typeof STARTED)[number]): string =>
  join(builtFolder(), 'started', `${nameOf(file)}.js`);

/**
 * The folder of all that is started, built. It is named by the sources' content and appears as a whole, so that another
 * run beside this one, of the same code or of other, takes nothing from it.
 */
export function builtFolder(): string {
  // Jest's workers are given what its global setup found.
  const folder = (process.env['JOBSTREAM_BUILT'] ??= join(CACHE, contentOf(sources())));
  if (!existsSync(folder)) build(folder);
  return folder;
}

/** Builds the dashboard where a gateway that runs from its sources finds it. */
export const buildDashboard = (): void =>
  void execFileSync(process.execPath, ['scripts/build-dashboard.mjs'], { cwd: ROOT, stdio: 'inherit' });

function build(folder: string): void {
  const making = `${folder}.${randomUUID()}`;
  const started = join(making, 'started');
  buildDashboard();
  bundle(join(making, 'modules'), started);
  // As the service looks for them, from its script.
  cpSync(join(ROOT, 'package.json'), join(making, 'package.json'));
  cpSync(join(ROOT, 'gateway/dashboard/dist'), join(making, 'dashboard/dist'), { recursive: true });
  for (const file of sources().filter((name) => name.endsWith('.lua')))
    cpSync(join(ROOT, file), join(started, relative(LUA, file)));
  keepCompiled(join(started, nameOf(OFTEN)), WAYS(making));
  try {
    renameSync(making, folder);
  } catch {
    // Another run was first, with the same.
    rmSync(making, { recursive: true });
  }
  forgetOld(folder);
}

/** A file for each script, its libraries included: a service starts in half the processor time that its hundreds of modules take. */
function bundle(modules: string, started: string): void {
  const how = { absWorkingDir: ROOT, format: 'cjs', platform: 'node', target: 'node20' } as const;
  const files = sources().filter((file) => file.endsWith('.ts'));
  // First as the compiler has them: libraries are then asked for their CommonJS, where they have both.
  buildSync({ ...how, entryPoints: files, outbase: ROOT, outdir: modules });
  buildSync({
    ...how,
    entryPoints: Object.fromEntries(STARTED.map((file) => [nameOf(file), join(modules, file.replace(/\.ts$/, '.js'))])),
    outdir: started,
    bundle: true,
    external: UNBUNDLED,
    // Comments too: a quotation mark in one of them doubles the memory of it all, and the time to read it.
    minifyWhitespace: true,
    legalComments: 'none',
    // By this a script knows that it was not imported; none that is bundled here imports another.
    define: { 'require.main': 'module' },
    logLevel: 'error',
  });
  rmSync(modules, { recursive: true });
}

/** To compile the five megabytes of a service takes it a third of the processor time that its start takes. */
function keepCompiled(name: string, ways: readonly Record<string, string>[]): void {
  renameSync(`${name}.js`, `${name}.script.js`);
  cpSync(join(__dirname, 'compiled.js'), `${name}.js`);
  const common = { KEEP_COMPILED: 'true', PORT: '0', COMFYUI_URL: `http://${NOWHERE}`, LOG_LEVEL: 'fatal' };
  for (const way of ways) execFileSync(process.execPath, [`${name}.js`], { env: { ...common, ...way } });
}

const nameOf = (file: string): string => basename(file, '.ts');

/** Of the folders that nobody has built for a day, none is needed any more. */
function forgetOld(newest: string): void {
  utimesSync(newest, new Date(), new Date());
  for (const name of readdirSync(CACHE)) {
    const folder = join(CACHE, name);
    const age = Date.now() - (statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > KEPT_MS) rmSync(folder, { recursive: true, force: true });
  }
}

/** No spec is started: an edited one makes nothing else of what is. */
const sources = (): readonly string[] => [
  ...FROM.flatMap(filesIn).filter((file) => !file.endsWith('.spec.ts')),
  ...WITH,
];

const filesIn = (folder: string): readonly string[] =>
  readdirSync(join(ROOT, folder), { withFileTypes: true })
    .filter(({ name }) => !NO_SOURCE.has(name))
    .flatMap((entry) => (entry.isDirectory() ? filesIn(join(folder, entry.name)) : [join(folder, entry.name)]))
    .sort();

function contentOf(files: readonly string[]): string {
  const hash = createHash('sha256');
  for (const file of files) hash.update(file).update(readFileSync(join(ROOT, file)));
  return hash.digest('hex').slice(0, 16);
}
