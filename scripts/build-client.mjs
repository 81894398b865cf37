// Makes the client's own package, comfyui-jobstream-client: one ES module and one CommonJS module beside rxjs and
// socket.io-client, and a third that holds the two, for pages without a bundler. Fails if it grew or needs more.
// Usage: node scripts/build-client.mjs <folder>, then npm pack <folder>
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const MOST_BYTES = 20_000;
const PEERS = ['rxjs', 'socket.io-client'];

const [, , folder] = process.argv;
if (!folder) throw new Error('where to?');

// Against a browser's types only: esbuild would leave a global of Node's in.
const declared = ['--noEmit', 'false', '--declaration', '--emitDeclarationOnly', '--outDir', join(folder, 'types')];
execFileSync(process.execPath, ['node_modules/typescript7/bin/tsc', '-p', 'tsconfig.client.json', ...declared], {
  stdio: 'inherit',
});

const common = {
  entryPoints: ['gateway/client/index.ts'],
  bundle: true,
  minify: true,
  keepNames: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  sourcemap: 'linked',
  metafile: true,
  write: false,
};
const { metafile, outputFiles } = await build({ ...common, outfile: join(folder, 'index.mjs'), packages: 'external' });
const required = { ...common, format: 'cjs', outfile: join(folder, 'index.cjs'), packages: 'external' };
const commonJs = await build(required);
const alone = await build({ ...common, outfile: join(folder, 'bundled.mjs') });

const [output] = Object.entries(metafile.outputs)
  .find(([path]) => path.endsWith('.mjs'))
  .slice(1);
const strangers = [
  ...output.imports.map(({ path }) => path).filter((path) => !PEERS.includes(path)),
  ...Object.keys(metafile.inputs).filter((path) => !/^(gateway\/client|streams)\//.test(path)),
];
if (strangers.length > 0) throw new Error(`the client must not need ${strangers.join(', ')}`);

const sizeOf = (files) => gzipSync(files.find(({ path }) => path.endsWith('.mjs')).contents).byteLength;
const bytes = sizeOf(outputFiles);
if (bytes > MOST_BYTES) throw new Error(`the client has ${bytes} bytes gzipped, over ${MOST_BYTES}`);
console.log(`client: ${bytes} bytes gzipped, without ${PEERS.join(' and ')}; ${sizeOf(alone.outputFiles)} with them`);

mkdirSync(folder, { recursive: true });
for (const { path, contents } of [...outputFiles, ...commonJs.outputFiles, ...alone.outputFiles])
  writeFileSync(path, contents);
// What the compiler declares is CommonJS, whose imports need no endings: each module hands it on as its own.
for (const name of ['index.d.mts', 'index.d.cts', 'bundled.d.mts'])
  writeFileSync(join(folder, name), "export * from './types/gateway/client/index.js';\n");

const { version, license, engines, dependencies, peerDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
const ranges = { ...dependencies, ...peerDependencies };
const either = (name, as) => ({ types: `./${name}.d.${as}`, default: `./${name}.${as.replace('ts', 'js')}` });
const manifest = {
  name: 'comfyui-jobstream-client',
  version,
  description: 'The browser client of comfyui-jobstream: live states of ComfyUI jobs as observables.',
  license,
  exports: {
    '.': { import: either('index', 'mts'), require: either('index', 'cts') },
    './bundled': either('bundled', 'mts'),
    './package.json': './package.json',
  },
  main: './index.cjs',
  types: './index.d.cts',
  sideEffects: false,
  engines,
  dependencies: Object.fromEntries(PEERS.map((name) => [name, ranges[name]])),
};
writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
copyFileSync('LICENSE', join(folder, 'LICENSE'));
copyFileSync('docs/interfaces/client.md', join(folder, 'README.md'));
