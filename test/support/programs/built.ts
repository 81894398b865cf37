import { execFileSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join, resolve } from 'node:path';
import { buildSync } from 'esbuild';

const ROOT = resolve(__dirname, '../../..');
/** Below `node_modules`, so that what is built there finds its packages. */
const CACHE = join(ROOT, 'node_modules/.cache/jobstream');
const FROM = ['gateway', 'pipeline', 'streams', 'sources', 'sinks', 'scripts', 'test'];
const WITH = ['index.ts', 'package.json', 'package-lock.json'];
const NO_SOURCE = new Set(['dist', 'recordings', 'node_modules']);
const SERVICE = 'gateway/cli/main.ts';
/** They find files of theirs beside their own: what is compiled of them, and the script of a thread. */
const UNBUNDLED = new Set(['lmdb', 'piscina']);
const KEPT_MS = 24 * 3_600_000;

/** The script of a file of ours, such as `gateway/cli/main.ts`, as plain JavaScript: what starts often must not be compiled each time. */
export const builtScript = (file: string): string => join(builtFolder(), file.replace(/\.ts$/, '.js'));

/**
 * The folder of all our code, built. It is named by the sources' content and appears as a whole, so that another run
 * beside this one, of the same code or of other, takes nothing from it.
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
  buildDashboard();
  cpSync(join(ROOT, 'gateway/dashboard/dist'), join(making, 'gateway/dashboard/dist'), { recursive: true });
  buildSync({
    absWorkingDir: ROOT,
    entryPoints: sources().filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts')),
    outbase: ROOT,
    outdir: making,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
  });
  bundleLibraries(join(making, 'node_modules'));
  for (const file of ['package.json', ...sources().filter((name) => name.endsWith('.lua'))])
    cpSync(join(ROOT, file), join(making, file));
  try {
    renameSync(making, folder);
  } catch {
    // Another run was first, with the same.
    rmSync(making, { recursive: true });
  }
  forgetOld(folder);
}

/**
 * A file for each library of the service, where what was built finds it first: a service starts in three quarters of the
 * processor time that its hundreds of modules take.
 */
function bundleLibraries(folder: string): void {
  const how = { absWorkingDir: ROOT, bundle: true, format: 'cjs', platform: 'node', target: 'node20' } as const;
  const { metafile } = buildSync({
    ...how,
    entryPoints: [SERVICE],
    packages: 'external',
    metafile: true,
    write: false,
  });
  const wanted = Object.values(metafile.inputs).flatMap(({ imports }) => imports.filter(({ external }) => external));
  for (const name of new Set(wanted.map(({ path }) => path)))
    if (!isBuiltin(name) && !UNBUNDLED.has(name))
      buildSync({
        ...how,
        // As Node would be asked for it: for its CommonJS, where it has both.
        stdin: { contents: `module.exports = require('${name}')`, resolveDir: ROOT },
        outfile: join(folder, `${name}.js`),
      });
}

/** Of the folders that nobody has built for a day, none is needed any more. */
function forgetOld(newest: string): void {
  utimesSync(newest, new Date(), new Date());
  for (const name of readdirSync(CACHE)) {
    const folder = join(CACHE, name);
    const age = Date.now() - (statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > KEPT_MS) rmSync(folder, { recursive: true, force: true });
  }
}

const sources = (): readonly string[] => [...FROM.flatMap(filesIn), ...WITH];

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
