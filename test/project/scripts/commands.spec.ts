import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { asking } from '../../gateway/support/http/asking';
import { isSetting } from '../ops/declared';
import { startComfyUI, type ComfyUIStandIn } from '../../support/comfyui/stand-in';
import { steps } from '../../support/comfyui/workflows';
import { startService, type Service } from '../../support/programs/service';
import { startRedis } from '../../support/redis/redis-server';
import { eventually } from '../../support/until';

const run = promisify(execFile);
const PAGES = ['README.md', 'examples/README.md', 'docs'].flatMap((place) =>
  place.endsWith('.md')
    ? [place]
    : readdirSync(place, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.md'))
        .map((name) => `${place}/${name}`),
);

/** All snippets of a kind, with the page they stand on. */
const snippets = (kind: string): readonly { readonly page: string; readonly code: string }[] =>
  PAGES.flatMap((page) =>
    [...readFileSync(page, 'utf8').matchAll(/^ *```(\w+)\n([\s\S]*?)^ *```$/gm)]
      .filter(([, of]) => of === kind)
      .map(([, , code = '']) => ({ page, code })),
  );

let folder: string;
let comfy: ComfyUIStandIn;
let service: Service;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'commands-'));
  comfy = await startComfyUI({ version: '0.33.0' });
  service = await startService({ COMFYUI_URL: comfy.url, DATA_DIR: join(folder, 'data') });
});
afterAll(async () => {
  await service.kill();
  await comfy.stop();
  rmSync(folder, { recursive: true });
});

test('every shell snippet can be read by a shell', async () => {
  expect(snippets('sh').length).toBeGreaterThan(15);
  for (const { page, code } of snippets('sh')) {
    const file = join(folder, 'snippet.sh');
    writeFileSync(file, code);
    expect([page, await run('bash', ['-n', file])]).toEqual([page, { stdout: '', stderr: '' }]);
  }
});

test('every script, file and setting that a command names is there', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly scripts: object };
  const compose = readFileSync('docker-compose.yml', 'utf8');
  const missing = snippets('sh').flatMap(({ page, code }) => {
    const named = [...code.matchAll(/npm run (?:-s )?([\w:]+)/g)].map(([, name = '']) => name);
    const files = [...code.matchAll(/(?<![\w./:-])(?:examples|ops|test|scripts)\/[\w./-]+/g)].map(([file]) => file);
    const settings = code
      .split('\n')
      .filter((line) => /npm start|docker compose|main\.js/.test(line) || line.startsWith('export '))
      .flatMap((line) => [...line.matchAll(/(?<![\w$])([A-Z][A-Z_]{3,})=/g)].map(([, name = '']) => name))
      .filter((name) => !compose.includes(`\${${name}:`));
    return [
      ...named.filter((name) => !(name in scripts)),
      ...files.filter((file) => !existsSync(file) && !file.includes('0.40.0') && !/x\.spec/.test(file)),
      ...settings.filter((name) => !isSetting(name)),
    ].map((what) => `${page}: ${what}`);
  });
  expect(missing).toEqual([]);
});

test('every path that curl asks for is one of the API', async () => {
  const { json } = await asking(service)('GET', '/openapi.json');
  const paths = Object.keys(json['paths'] as object).map(
    (path) => new RegExp(`^${path.replace(/\{[^}]+\}/g, '[^/]+')}$`),
  );
  const asked = snippets('sh').flatMap(({ code }) =>
    [...code.matchAll(/(?:\$URL|http:\/\/127\.0\.0\.1:8787)(\/[^\s"'?]*)/g)].map(([, path = '']) => path),
  );
  expect(asked.length).toBeGreaterThan(10);
  expect(asked.filter((path) => path !== '/' && !paths.some((known) => known.test(path)))).toEqual([]);
});

test('README’s first job is run as it stands there, and ends well', async () => {
  const { code } = snippets('sh').find((each) => each.page === 'README.md' && each.code.includes('<<END'))!;
  writeFileSync(join(folder, 'workflow_api.json'), JSON.stringify(steps(), null, 2));
  const { stdout } = await run('bash', ['-c', code.replaceAll('http://127.0.0.1:8787', service.url)], { cwd: folder });
  const { promptId } = JSON.parse(stdout) as { readonly promptId: string };
  await eventually(async () =>
    expect(await asking(service)('GET', `/jobs/${promptId}`)).toMatchObject({ json: { status: 'completed' } }),
  );
});

test('what Redis is to be set to, it takes', async () => {
  const [conf] = snippets('conf');
  const lines = conf!.code.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  expect(lines.length).toBeGreaterThan(2);
  const redis = await startRedis({ args: lines.flatMap((line) => `--${line}`.split(' ')) });
  await redis.stop();
});

test('data in snippets is what it says', () => {
  for (const { code } of snippets('json')) JSON.parse(code);
  for (const { code } of snippets('yaml')) expect(parseAllDocuments(code).flatMap(({ errors }) => errors)).toEqual([]);
});
