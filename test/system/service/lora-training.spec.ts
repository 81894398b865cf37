import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { JobState } from '../../../gateway/client/index';
import { complaints, type Restart, type Seen } from '../../../examples/lora-training/verdict';

const run = promisify(execFile);
const root = join(__dirname, '../../..');

const story = async (trainers: readonly string[]): Promise<string> => {
  const by = trainers.flatMap((trainer) => ['--trainer', trainer]);
  // Of fewer steps, which take as long: each is three processes' work, and nothing here asks for more.
  const args = ['--import', 'tsx', 'examples/lora-training/story.ts', ...by, '--steps', '100', '--busy'];
  // One that does not go well says why.
  const unwell = (error: unknown) => error as { readonly stdout: string };
  return (await run(process.execPath, args, { cwd: root }).catch(unwell)).stdout;
};

test('[R2] [R12] a long training is seen to its end through two restarts and a Redis that is killed', async () => {
  const trainers = ['python', 'node'];
  const told = await story(trainers);
  expect(told).toMatch(/All is well\.\n$/);
  for (const name of ['ComfyUI', ...trainers]) {
    const shown = [...told.matchAll(new RegExp(`^[\\d:]+  ${name} .* ([\\d.]+) %`, 'gm'))].map(([, n]) => Number(n));
    // How many lines a busy machine gets round to is its own affair.
    expect(shown.length).toBeGreaterThan(2);
    expect(shown).toEqual([...shown].sort((a, b) => a - b));
    expect(shown.at(-1)).toBe(100);
  }
});

/** Twenty seconds of a training, each told. */
const good: readonly Seen[] = Array.from({ length: 21 }, (_, n) => {
  const etaMs = 20_000 - n * 1_000;
  const settled = { status: 'completed', finishedAt: 20_000, outputs: [{}] };
  const job = { progress: 5 * n, updatedAt: n * 1_000, epoch: n < 10 ? 1 : 2, etaMs, status: 'processing' };
  return { at: n * 1_000, job: { ...job, ...(n === 20 && settled) } as unknown as JobState };
});
const restart: Restart = { name: 'SIGTERM', from: 9_500, to: 9_900 };
const wrong = (seen: readonly Seen[], restarts = [restart]) => complaints(seen, restarts, (ms) => `${ms / 1_000} s`);
const but = (n: number, more: Partial<JobState>): readonly Seen[] =>
  good.map((each, at) => (at === n ? { ...each, job: { ...each.job, ...more } } : each));

test('the story finds a gap, a step back, an ETA that is wrong, and a wrong end', () => {
  expect(wrong(good)).toEqual([]);
  const gap = good.filter((_, n) => n < 4 || n > 10);
  expect(wrong(gap, [])).toEqual(['no news for 8 s at 15 %']);
  expect(wrong(gap, [{ ...restart, from: 3_500 }])).toEqual([]);
  expect(wrong(but(12, { progress: 54 }))).toEqual(['a step back from 55 % to 54 %']);
  expect(wrong(but(10, { etaMs: 13_000 }))).toEqual(['after SIGTERM: 13 s left was told, it took 10 s: off by 30 %']);
  expect(wrong(but(20, { status: 'failed', outputs: [] }))).toEqual(['it ended as failed, at 100 %, with 0 outputs']);
  expect(wrong([])).toEqual(['nothing was seen']);
});
