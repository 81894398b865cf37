// Bundles the browser client into one ES module, beside rxjs and socket.io-client, and fails if it grew or needs more; and
// into another that holds the two, for pages without a bundler.
// Usage: node scripts/build-client.mjs <folder>
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const MOST_BYTES = 20_000;
const PEERS = ['rxjs', 'socket.io-client'];

const [, , folder] = process.argv;
if (!folder) throw new Error('where to?');

// Against a browser's types only: esbuild would leave a global of Node's in.
execFileSync(process.execPath, ['node_modules/typescript7/bin/tsc', '-p', 'tsconfig.client.json'], {
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
for (const { path, contents } of [...outputFiles, ...alone.outputFiles]) writeFileSync(path, contents);
// The declarations are those of the CommonJS build, which is what `require` gets.
for (const name of ['index.d.mts', 'bundled.d.mts'])
  writeFileSync(join(folder, name), "export * from '../gateway/client/index.js';\n");
