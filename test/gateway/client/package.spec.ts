import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { steps } from '../../support/comfyui/workflows';
import { typescript } from '../../support/programs/typescript';
import { asking } from '../support/http/asking';
import { runningGateway } from '../support/running-gateway';

const run = promisify(execFile);
const root = join(__dirname, '../../..');

let folder: string;
let files: readonly string[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'jobstream-client-package-'));
  const made = join(folder, 'made');
  const app = join(folder, 'app');
  await run(process.execPath, ['scripts/build-client.mjs', made], { cwd: root });
  const packed = await run('npm', ['pack', made, '--json', '--pack-destination', folder], { cwd: folder });
  const [tarball] = JSON.parse(packed.stdout) as [{ filename: string; files: readonly { path: string }[] }];
  files = tarball.files.map(({ path }) => path);
  const quietly = ['--prefer-offline', '--no-audit', '--no-fund', '--no-package-lock'];
  await run('npm', ['install', '--prefix', app, ...quietly, join(folder, tarball.filename)]);
});
afterAll(() => rm(folder, { recursive: true }));

const app = (...path: readonly string[]): string => join(folder, 'app', ...path);

test('the client’s package holds modules, declarations and words, and no pictures', () => {
  expect(files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'index.mjs', 'index.cjs', 'bundled.mjs']));
  expect(files.filter((path) => !/\.(m?js|cjs|map|json|md|d\.[mc]?ts)$|^LICENSE$/.test(path))).toEqual([]);
});

test('it brings none of the server’s dependencies', async () => {
  const installed = await readdir(app('node_modules'));
  expect(installed).toEqual(expect.arrayContaining(['comfyui-jobstream-client', 'rxjs', 'socket.io-client']));
  for (const server of ['comfyui-jobstream', 'express', 'ioredis', 'lmdb', 'socket.io', 'undici', 'pino', 'io-ts'])
    expect(installed).not.toContain(server);
});

test.each([
  ['imported', 'watch.mjs', "import { jobstream } from 'comfyui-jobstream-client';"],
  ['required', 'watch.cjs', "const { jobstream } = require('comfyui-jobstream-client');"],
])('%s, it watches a job to its end', async (_how, name, first) => {
  const gateway = await runningGateway();
  const body = { type: 'image_generation', userId: 'ada', workflow: steps() };
  const { json } = await asking(gateway)('POST', '/jobs', { body });
  const rest = `
    const jobs = jobstream({ url: process.argv[2] });
    const seen = [];
    jobs.watchJob(process.argv[3]).subscribe({
      next: ({ status }) => seen.push(status),
      error: (error) => { console.error(error); process.exit(1); },
      complete: () => { console.log(seen.at(-1)); jobs.close(); },
    });`;
  await writeFile(app(name), first + rest);
  const { stdout } = await run(process.execPath, [app(name), gateway.url, String(json['promptId'])]);
  expect(stdout).toBe('completed\n');
  await gateway.close();
});

test('its declarations are taken by strict TypeScript 5.9, resolved as by a bundler and as by Node', async () => {
  const program = (name: string): string => `
    import { isSettled, jobstream, type JobState } from '${name}';
    const jobs = jobstream({ url: 'https://example.com/comfy', token: async () => 'token' });
    jobs.watchJob('1').subscribe((job: JobState) => console.log(isSettled(job), job.progress.toFixed(1)));
    // @ts-expect-error: there is no such word.
    jobs.watchJob(1);`;
  await writeFile(app('program.mts'), program('comfyui-jobstream-client'));
  await writeFile(app('alone.mts'), program('comfyui-jobstream-client/bundled'));
  await writeFile(app('program.cts'), program('comfyui-jobstream-client'));
  // Ours are looked at, and what they bring; not TypeScript’s own.
  const strict = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    skipDefaultLibCheck: true,
    types: [],
  };
  const projectOf = async (moduleResolution: string, module: string): Promise<string> => {
    const compilerOptions = { ...strict, target: 'es2022', lib: ['es2023', 'dom'], moduleResolution, module };
    const include = ['program.mts', 'alone.mts', 'program.cts'];
    await writeFile(app(`${moduleResolution}.json`), JSON.stringify({ compilerOptions, include }));
    return app(`${moduleResolution}.json`);
  };
  const projects = [await projectOf('bundler', 'esnext'), await projectOf('nodenext', 'nodenext')];
  // One compiler for both, which reads once what both need.
  expect(await typescript('typescript59', '--build', ...projects)).toBe('');
});
