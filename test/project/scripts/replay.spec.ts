import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { distance } from '../../../scripts/accuracy/accuracy';
import { replay, type Replayed } from '../../../scripts/replay';

import { builtScript } from '../../support/programs/built';
import { isFile, isSettled, type JobState } from '../../../streams/job/job-state';
import { recordingOf, recordings } from '../../support/replay/recordings';

/** The changes of each job of a recording, and whatever was reported on the way. */
function replayed(
  version: string,
  scenario: string,
): { jobs: readonly (readonly Replayed[])[]; reports: readonly unknown[] } {
  const reports: unknown[] = [];
  const byJob = new Map<string, Replayed[]>();
  for (const change of replay(recordingOf(version, scenario).lines, (where, error) => reports.push([where, error]))) {
    const changes = byJob.get(change.state.promptId) ?? [];
    byJob.set(change.state.promptId, changes);
    changes.push(change);
  }
  return { jobs: [...byJob.values()], reports };
}

const all = recordings.map(({ name, version, scenario }) => ({ name, scenario, ...replayed(version, scenario) }));
const jobs = all.flatMap(({ name, jobs }) =>
  jobs.map((changes, index) => ({ name: `${name} #${index + 1}`, changes })),
);

/** `completed: nodes whose files there are`, or `kind at node`. */
function ending({ status, failure, outputs = [] }: JobState): string {
  if (status === 'failed') return `${failure?.kind ?? 'nothing'} at ${failure?.nodeId ?? 'no node'}`;
  return [status, ...outputs.map((output) => `${output.nodeId} ${isFile(output) ? output.type : output.kind}`)].join(
    ': ',
  );
}

/** How each scenario ends, job by job in the order of their posts. */
const ends: Record<string, readonly string[]> = {
  'cached-rerun': ['completed: 4 output'],
  'cancel-api': ['interrupted at 2'],
  'deleted-while-queued': ['completed: 4 output', 'lost at no node'],
  'execution-blocked': ['completed: 5 output'],
  'drop-and-resume': ['completed: 4 output'],
  'finished-while-away': ['completed: 4 output'],
  interrupted: ['interrupted at 2'],
  'lazy-branch-skipped': ['completed: 4 output'],
  'nan-input-error': ['node_error at 2'],
  'no-client-id-broadcast': ['completed: 4 output'],
  'node-error': ['node_error at 2'],
  'out-of-memory': ['out_of_memory at 2'],
  'parallel-async-nodes': ['completed: 4 temp: 5 temp'],
  'previews-legacy': ['completed: 4 output'],
  'previews-metadata': ['completed: 4 output'],
  'queued-behind-others': ['completed: 4 output', 'completed: 4 output', 'completed: 4 output'],
  'quick-node-of-300-steps': ['completed: 4 temp'],
  'reconnect-same-client': ['completed: 4 output'],
  'rejected-invalid-input': ['rejected at 1'],
  'rejected-missing-node': ['rejected at 1'],
  'rejected-no-output': ['rejected at no node'],
  'save-image-websocket': ['completed: 2 websocket'],
  'server-killed-mid-run': ['lost at no node'],
  'stale-socket-evicts-new': ['completed: 4 output'],
  steps: ['completed: 4 output'],
  'steps-as-text': ['completed: 4 temp'],
  'subgraph-loop': ['completed: 4 output'],
  'text-output': ['completed: 2 text'],
  'two-samplers-two-outputs': ['completed: 4 output: 6 temp'],
};

describe('each recording', () => {
  test.each(all.filter(({ scenario }) => scenario !== 'non-uuid-prompt-id'))(
    '$name ends as it did',
    ({ scenario, jobs }) => {
      expect(jobs.map((changes) => ending(changes.at(-1)!.state))).toEqual(ends[scenario]);
    },
  );

  test('0.33.0/non-uuid-prompt-id is refused; 0.3.30 gives the job an id of its own, and the recording ends there', () => {
    expect(replayed('0.33.0', 'non-uuid-prompt-id').jobs.map((changes) => ending(changes.at(-1)!.state))).toEqual([
      'rejected at no node',
    ]);
    const [changes] = replayed('0.3.30', 'non-uuid-prompt-id').jobs;
    expect(changes?.at(-1)?.state).toMatchObject({
      status: 'queued',
      promptId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
    });
  });

  test.each(all)('[R9] $name reports no bad frame', ({ reports }) => {
    expect(reports).toEqual([]);
  });
});

describe('each job', () => {
  test.each(jobs)('[R2] progress of $name never falls, is under 100 until completed, and 100 then', ({ changes }) => {
    let last = 0;
    for (const { state } of changes) {
      expect(state.progress).toBeGreaterThanOrEqual(last);
      expect(state.progress === 100).toBe(state.status === 'completed');
      last = state.progress;
    }
  });

  test.each(jobs)('[R1] $name settles once, with its last change', ({ changes }) => {
    expect(changes.slice(0, -1).filter(({ state }) => isSettled(state))).toEqual([]);
  });

  test.each(jobs)('$name changes one `seq` at a time', ({ changes }) => {
    expect(changes.map(({ state }) => state.seq)).toEqual(changes.map((_, index) => index + 1));
  });
});

/** When a job ran, by its first change that says so and its last. */
function span(changes: readonly Replayed[]): { from: number; to: number; during: readonly Replayed[] } {
  const from = changes.find(({ state }) => state.status === 'processing')?.t ?? 0;
  const during = changes.filter(({ state }) => state.status === 'processing');
  return { from, to: changes.at(-1)!.t, during };
}

describe('progress', () => {
  const completed = jobs
    .filter(({ changes }) => changes.at(-1)!.state.status === 'completed')
    .map(({ name, changes }) => ({
      name,
      isHeard: changes.at(-1)!.state.via === 'websocket',
      ...span(changes),
    }));

  test.each(completed.filter(({ from, to }) => to - from > 500))('of $name shows what is between', ({ during }) => {
    expect(during.some(({ state: { progress } }) => progress > 0 && progress < 99)).toBe(true);
  });

  test('is within eight points of the share of time that has passed, on average, where the end was heard when it was', () => {
    const means = completed
      .filter(({ from, to, isHeard }) => to - from > 300 && isHeard)
      .map(({ from, to, during }) => {
        const curve = during.map(({ t, state }): [number, number] => [t, state.progress]);
        return distance(curve, from, to).mean;
      });
    expect(means.length).toBeGreaterThan(20);
    expect(means.reduce((sum, mean) => sum + mean, 0) / means.length).toBeLessThanOrEqual(8);
  });
});

describe('the command', () => {
  const directory = mkdtempSync(join(tmpdir(), 'replay-'));
  afterAll(() => rmSync(directory, { recursive: true }));

  const run = (...files: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
    new Promise((resolve) => {
      const command = [builtScript('scripts/replay.ts'), ...files];
      execFile(process.execPath, command, (error, stdout, stderr) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
      });
    });
  const fileOf = (name: string, text: string): string => {
    const file = join(directory, name);
    writeFileSync(file, text);
    return file;
  };
  const fields = ['t', 'promptId', 'status', 'phase', 'progress', 'seq', 'etaMs', 'node', 'failure', 'outputs'];

  test('ends without a word where nobody reads on', async () => {
    const command = spawn(process.execPath, [builtScript('scripts/replay.ts'), recordingOf('0.33.0', 'steps').file]);
    command.stdout.destroy();
    const said: Buffer[] = [];
    command.stderr.on('data', (text: Buffer) => said.push(text));
    const [code] = (await once(command, 'close')) as [number];
    expect([code, Buffer.concat(said).toString()]).toEqual([0, '']);
  });

  test('prints each change as a line of JSON, and nothing else', async () => {
    const { code, stdout, stderr } = await run(
      recordingOf('0.33.0', 'steps').file,
      recordingOf('0.33.0', 'node-error').file,
    );
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout.endsWith('\n')).toBe(true);
    const changes = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    for (const change of changes) {
      expect(fields).toEqual(expect.arrayContaining(Object.keys(change)));
      expect(Object.keys(change)).toEqual(expect.arrayContaining(fields.slice(0, 6)));
    }
    expect(changes.filter(({ status }) => status === 'completed')).toMatchObject([
      { progress: 100, outputs: [{ nodeId: '4' }] },
    ]);
    expect(changes.at(-1)).toMatchObject({ status: 'failed', failure: { kind: 'node_error', nodeId: '2' } });
  });

  test('names a file that is no recording, and the line', async () => {
    const good = '{"t": 0, "ws": "a", "event": "open", "clientId": "c"}\n';
    const { code, stdout, stderr } = await run(fileOf('bad.jsonl', `${good}{"t": 1}\n`));
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^.*bad\.jsonl: line 2: neither a socket nor an http line\n$/);
  });

  test('names a file that is not there', async () => {
    const { code, stdout, stderr } = await run(join(directory, 'nowhere.jsonl'));
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/nowhere\.jsonl: ENOENT/);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  test('[R9] tells of a bad frame beside the changes, and goes on', async () => {
    const lines = [
      { t: 0, ws: 'a', event: 'open', clientId: 'c' },
      { t: 1, ws: 'a', text: '{"type": "execution_start", "data": {"prompt_id": "p"}}' },
      { t: 2, ws: 'a', text: '{"type": "progress", "data": {"value": "a secret", "max": 1}}' },
      { t: 3, ws: 'a', text: '{"type": "execution_error", "data": {"prompt_id": "p"}}' },
    ];
    const { code, stdout, stderr } = await run(
      fileOf('garbled.jsonl', lines.map((line) => JSON.stringify(line)).join('\n')),
    );
    expect(code).toBe(0);
    expect(stderr).toMatch(/frame: MalformedFrame: progress: value\n$/);
    expect(stdout.trimEnd().split('\n')).toHaveLength(3);
  });

  const USAGE = 'usage: replay [--learn FILE|DIR]… FILE…\n';

  test('says how it is used', async () => {
    expect(await run()).toMatchObject({ code: 2, stdout: '', stderr: USAGE });
    expect(await run('--help')).toMatchObject({ code: 0, stdout: USAGE, stderr: '' });
  });

  test('names an argument that it does not have', async () => {
    expect(await run('--lern', 'x')).toMatchObject({ code: 2, stderr: `Unknown option '--lern'\n${USAGE}` });
    expect(await run('x', '--learn')).toMatchObject({ code: 2, stdout: '' });
  });
});
