import { readdirSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { typescript } from '../../support/programs/typescript';

const root = join(__dirname, '../../..');
/** All that a reader may copy from. */
const PAGES = [
  'README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** What the snippets take for granted, as a page or a program would have it. */
const AMBIENT = `
declare const promptId: string;
declare const token: string;
declare const picture: HTMLImageElement;
declare const video: HTMLVideoElement;
declare const badge: HTMLElement;
declare const table: Map<string, import('comfyui-jobstream/client').JobState>;
declare function render(status: string, progress: number, title?: string, etaMs?: number): void;
declare function show(status: string, progress: number, title?: string): void;
declare function explain(code: string, message: string): void;
declare function freshToken(): Promise<string>;
declare function currentToken(): string;
`;

const OPTIONS = {
  strict: true,
  noEmit: true,
  target: 'es2022',
  module: 'esnext',
  moduleResolution: 'bundler',
  moduleDetection: 'force',
  lib: ['es2023', 'dom'],
  jsx: 'react-jsx',
  types: ['node'],
  allowJs: true,
  // Ours are looked at as well, other packages' too; not TypeScript's own.
  skipLibCheck: false,
  skipDefaultLibCheck: true,
};

let folder: string;
/** The package as an application has it. */
let installed: string;
beforeAll(async () => {
  // Below node_modules, so that the declarations find what they name.
  await mkdir(join(root, 'node_modules/.cache'), { recursive: true });
  folder = await mkdtemp(join(root, 'node_modules/.cache/snippets-'));
  installed = join(folder, 'node_modules/comfyui-jobstream');
  // `npm run types` has looked at what they are made of.
  const emitted = ['--outDir', join(installed, 'dist'), '--emitDeclarationOnly', '--noCheck'];
  await typescript('typescript7', '-p', 'tsconfig.build.json', ...emitted);
  await copyFile(join(root, 'package.json'), join(installed, 'package.json'));
});
afterAll(() => rm(folder, { recursive: true }));

const snippetsOf = async (page: string) =>
  [...(await readFile(join(root, page), 'utf8')).matchAll(/^```(ts|tsx|js)\n([\s\S]*?)^```$/gm)].map(
    ([, kind = '', code = ''], n) => ({ name: `${page.replace(/\W/g, '-')}-${n}.${kind}`, code }),
  );

test('every snippet of the documents compiles against what ships, strictly', async () => {
  const dist = join(installed, 'dist');
  const snippets = (await Promise.all(PAGES.map(snippetsOf))).flat();
  expect(snippets.length).toBeGreaterThan(4);
  for (const { name, code } of snippets)
    await writeFile(join(folder, name), name.endsWith('.js') ? `// @ts-nocheck\n${code}` : code);
  await writeFile(join(folder, 'ambient.d.ts'), AMBIENT);
  const paths = {
    'comfyui-jobstream': [join(dist, 'index.d.ts')],
    'comfyui-jobstream/compat': [join(dist, 'compat/index.d.ts')],
    'comfyui-jobstream/gateway': [join(dist, 'gateway/server/index.d.ts')],
    'comfyui-jobstream/metrics': [join(dist, 'gateway/metrics/index.d.ts')],
    'comfyui-jobstream/client': [join(dist, 'gateway/client/index.d.ts')],
  };
  await writeFile(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...OPTIONS, paths }, include: ['*.ts', '*.tsx', '*.js'] }),
  );
  expect(await typescript('typescript7', '-p', folder)).toBe('');
});

test('a backend of older settings finds the types: TypeScript 5.9, CommonJS, resolved as by Node 10, ES2021', async () => {
  const app = join(folder, 'older');
  await mkdir(app);
  const program = `
    import { createPipeline, redisStore } from 'comfyui-jobstream';
    import { jobstream } from 'comfyui-jobstream/client';
    import { ComfyUIPodClient } from 'comfyui-jobstream/compat';
    import { startGateway } from 'comfyui-jobstream/gateway';
    import { prometheusMetrics } from 'comfyui-jobstream/metrics';
    export const all = [createPipeline, redisStore, jobstream, ComfyUIPodClient, startGateway, prometheusMetrics];
    // @ts-expect-error: there is no such word.
    createPipeline(1);`;
  await writeFile(join(app, 'app.ts'), program);
  const older = { target: 'es2021', module: 'commonjs', moduleResolution: 'node10', lib: ['es2021'] };
  const compilerOptions = { ...OPTIONS, ...older, allowJs: false, esModuleInterop: true };
  await writeFile(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['app.ts'] }));
  expect(await typescript('typescript59', '-p', app)).toBe('');
});
