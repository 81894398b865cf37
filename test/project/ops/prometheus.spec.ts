import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensureProgram } from '../../support/programs/program';

jest.setTimeout(300_000);

const run = promisify(execFile);
const folder = join(__dirname, '../../../ops/prometheus');

let promtool: string;
beforeAll(async () => {
  promtool = await ensureProgram('promtool', 'prometheus');
});

/** What promtool says; rejects where something is wrong. */
const says = async (...args: readonly string[]): Promise<string> => {
  try {
    const { stdout } = await run(promtool, [...args], { cwd: folder });
    return stdout;
  } catch (error) {
    const { stdout, stderr } = error as { readonly stdout: string; readonly stderr: string };
    throw new Error(`promtool ${args.join(' ')}: ${stdout}${stderr}`);
  }
};

test('promtool takes the configuration and its rules', async () => {
  expect(await says('check', 'config', 'prometheus.yml')).toContain('SUCCESS');
  expect(await says('check', 'rules', 'rules.yml')).toMatch(/SUCCESS: \d+ rules found/);
});

test('the rules tell what they are to tell, and when', async () => {
  expect(await says('test', 'rules', 'rules_test.yml')).toContain('SUCCESS');
});

test('every rule is tested', () => {
  const names = [...readFileSync(join(folder, 'rules.yml'), 'utf8').matchAll(/^ +- (?:alert|record): (\S+)$/gm)];
  expect(names.length).toBeGreaterThan(15);
  const tests = readFileSync(join(folder, 'rules_test.yml'), 'utf8');
  // The share of WebSockets is tested by its alert.
  const untested = names.map(([, name = '']) => name).filter((name) => !tests.includes(name));
  expect(untested).toEqual(['job:jobstream_jobs_websocket:ratio_rate1h']);
});
