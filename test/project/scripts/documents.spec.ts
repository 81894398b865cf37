import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { problemKinds, statusOf } from '../../../gateway/wire/problem';
import { failure, jobState } from '../../../sinks/codecs/job-state.codec';
import { schemaOf } from '../../../gateway/http/openapi/json-schema.codec';

const root = join(__dirname, '../../..');
const textOf = (page: string): string => readFileSync(join(root, page), 'utf8');
const files = (folder: string, end: string): readonly string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(end))
    .map((name) => `${folder}/${name}`);
const pages = ['README.md', 'CHANGELOG.md', ...files('docs', '.md')];

const withoutCode = (text: string): string => text.replace(/^```[\s\S]*?^```$/gm, '');

/** As GitHub makes it of a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/&lt;|&gt;/g, '')
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

const anchorsIn = (page: string): readonly string[] =>
  [...withoutCode(textOf(page)).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading));

test.each(pages)('every link of %s within this repository leads somewhere', (page) => {
  const links = [...withoutCode(textOf(page)).matchAll(/\]\(([^)\s]+)\)|src="([^"]+)"/g)]
    .map(([, link, source]) => link ?? source ?? '')
    .filter((link) => !/^\w+:/.test(link));
  for (const link of links) {
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? page : join(dirname(page), path);
    expect([link, existsSync(join(root, target))]).toEqual([link, true]);
    if (anchor !== undefined) expect([link, anchorsIn(target).includes(anchor)]).toEqual([link, true]);
  }
});

test.each(pages)('every file that %s names is there', (page) => {
  const ours = ['pipeline', 'streams', 'sources', 'sinks', 'gateway', 'scripts', 'test', 'bench'];
  const there = ours.flatMap((folder) => [...files(folder, '.ts'), ...files(folder, '.lua'), ...files(folder, '.mjs')]);
  const named = [...withoutCode(textOf(page)).matchAll(/`([\w./-]+\.(?:ts|lua))`/g)].map(([, name = '']) => name);
  expect(named.filter((name) => !there.some((file) => `/${file}`.endsWith(`/${name}`)) && name !== 'index.ts')).toEqual(
    [],
  );
});

test('README names every setting', () => {
  const declared = [...textOf('gateway/cli/settings/settings.ts').matchAll(/^ {2}([A-Z][A-Z_]+): /gm)].map(
    ([, name = '']) => name,
  );
  expect(declared.length).toBeGreaterThan(20);
  const readme = textOf('README.md');
  expect(declared.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
});

test('README names every script that is to be called', () => {
  const { scripts } = JSON.parse(textOf('package.json')) as { readonly scripts: Record<string, string> };
  const told = [textOf('README.md'), textOf('docs/contributing.md')].join();
  const own = Object.keys(scripts).filter((name) => !/^(pre|build$)/.test(name));
  expect(own.filter((name) => !told.includes(name))).toEqual([]);
});

test('the API page names every kind of problem with its status', () => {
  const rows = textOf('docs/interfaces/api.md')
    .split('\n')
    .filter((line) => line.startsWith('| `'));
  for (const kind of problemKinds)
    expect(rows.filter((row) => row.includes(`\`${kind}\``) && row.includes(`| ${statusOf(kind)} |`))).not.toEqual([]);
});

test('the page of a job names every field of its state and every kind of failure', () => {
  const page = textOf('docs/jobs/job.md');
  const fields = Object.keys(propertiesOf(schemaOf(jobState)));
  expect(fields.length).toBeGreaterThan(20);
  expect(fields.filter((field) => !new RegExp(`\`${field}\\??\``).test(page))).toEqual([]);
  const { kind } = propertiesOf(schemaOf(failure)) as { readonly kind: { readonly enum: readonly string[] } };
  expect(kind.enum).toContain('out_of_memory');
  expect(kind.enum.filter((each) => !page.includes(`| \`${each}\` |`))).toEqual([]);
});

test('the page of operation explains every part that the log names', () => {
  const sources = ['pipeline', 'streams', 'sources', 'sinks', 'gateway'].flatMap((folder) => files(folder, '.ts'));
  const named = sources.flatMap((file) =>
    [...textOf(file).matchAll(/\b(?:report|reporting)\('([\w -]+)'/g)].map(([, where = '']) => where),
  );
  expect(named.length).toBeGreaterThan(20);
  const page = textOf('docs/operations.md');
  expect([...new Set(named)].filter((where) => !page.includes(`\`${where}\``))).toEqual([]);
});

test('the page of operation says what to do at every alert, and at no other', () => {
  const alerts = [...textOf('ops/prometheus/rules.yml').matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name);
  const told = [...textOf('docs/operations.md').matchAll(/^\| `(Jobstream\w+)` \|/gm)].map(([, name = '']) => name);
  expect(alerts.length).toBeGreaterThan(5);
  expect(told.sort()).toEqual(alerts.sort());
});

test('the page of keys names every key', () => {
  const written = textOf('docs/jobs/keys.md');
  const keys = ['comfyui:job:', 'jobstream:sessions', 'jobstream:lease:', 'jobstream:jobs:', 'jobstream:watched:'];
  const declared = files('sinks/redis', '.ts').flatMap((file) =>
    [...textOf(file).matchAll(/[`'](jobstream:[\w{]+)/g)].map(([, key = '']) => key),
  );
  expect([...keys, ...declared].filter((key) => !written.includes(key.replace(/\{$/, '')))).toEqual([]);
});

function propertiesOf(schema: unknown): Record<string, unknown> {
  if (schema === null || typeof schema !== 'object') return {};
  const { properties = {}, allOf = [] } = schema as {
    readonly properties?: Record<string, unknown>;
    readonly allOf?: readonly unknown[];
  };
  return Object.assign({}, properties, ...allOf.map(propertiesOf)) as Record<string, unknown>;
}

test('no folder of the code holds more than ten entries', () => {
  const ours = ['streams', 'sources', 'sinks', 'gateway', 'pipeline', 'compat', 'scripts', 'bench', 'examples', 'test'];
  const within = (folder: string): readonly string[] => [
    folder,
    ...readdirSync(join(root, folder), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !['node_modules', 'dist', 'recordings'].includes(entry.name))
      .flatMap(({ name }) => within(join(folder, name))),
  ];
  const full = ours.flatMap(within).filter((folder) => readdirSync(join(root, folder)).length > 10);
  expect(full).toEqual([]);
});
