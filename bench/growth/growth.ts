/** `npm run bench:growth`: what many live jobs cost an instance while nothing happens to them, and what a frame costs beside them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { lastValueFrom, filter, firstValueFrom, from, mergeMap, scan } from 'rxjs';
import { createPipeline } from '../../pipeline/instance/create-pipeline';
import { FLAG, commandLine } from '../../scripts/command-line';
import { embeddedStore } from '../../sinks/embedded/embedded-store';
import type { JobStore } from '../../sinks/job-store';
import { decoded } from '../../sources/session';
import { jobBoard } from '../../streams/board/board';
import { jobOf, queuedState } from '../../streams/job/job';
import type { JobState } from '../../streams/job/job-state';
import { defaultTiming } from '../../streams/job/timing';
import { graphOf } from '../../streams/job/workflow';
import { heap } from '../heap';

/** With `--taken-up` the quiet minute is left out. */
const given = commandLine('usage: npm run bench:growth -- [--frames | --idle | --taken-up]', {
  frames: FLAG,
  idle: FLAG,
  'taken-up': FLAG,
});
const JOBS = 10_000;
const SERVERS = 10;
const LOOKED_MS = 15_000;
const AWAY_MS = 66_000;
/** Frames that are counted, and how long before that what was there is swept. */
const FRAMES = 60_000;
const SWEPT_MS = 200;

const pause = (ms: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, ms));

function stateOf(n: number, serverUrl: string, more: Partial<JobState> = {}): JobState {
  const state = queuedState({ promptId: `job-${n}`, type: 'bench', userId: `u${n % 100}`, serverUrl, at: Date.now() });
  return { ...state, clientId: `client of ${serverUrl}`, ...more };
}

/** Share of a core over a while, and then the lag of the event loop: to measure that costs 2 % of a core by itself. */
async function costOf(ms: number): Promise<string> {
  const before = process.cpuUsage();
  const began = performance.now();
  await pause(ms);
  const { user, system } = process.cpuUsage(before);
  const share = (user + system) / 10 / (performance.now() - began);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await pause(ms);
  delay.disable();
  return `${share.toFixed(1)} % of a core, event loop p99 ${(delay.percentile(99) / 1e6).toFixed(1)} ms, most ${(delay.max / 1e6).toFixed(0)} ms`;
}

/** A pipeline that has taken up all these jobs from its store. */
async function takenUp(states: readonly JobState[], servers: readonly string[]) {
  const directory = mkdtempSync(join(tmpdir(), 'growth-'));
  const report = (): void => undefined;
  const store: JobStore = embeddedStore({ directory, report });
  await lastValueFrom(from(states).pipe(mergeMap((state) => store.put(state), 64)));
  const before = heap();
  const began = performance.now();
  const cpuBefore = process.cpuUsage();
  const pipeline = createPipeline({ servers, store, report });
  await firstValueFrom(
    pipeline.recovered$.pipe(
      scan((sum, { length }) => sum + length, 0),
      filter((sum) => sum >= states.length),
    ),
  );
  const seconds = (performance.now() - began) / 1_000;
  const { user, system } = process.cpuUsage(cpuBefore);
  const cpu = ((user + system) / 1e6).toFixed(1);
  console.log(
    `  taken up in ${seconds.toFixed(1)} s (${cpu} s of CPU), ${((heap() - before) / states.length / 1024).toFixed(1)} KB of heap a job`,
  );
  return async () => {
    await pipeline.close();
    rmSync(directory, { recursive: true, force: true });
  };
}

async function idle(): Promise<void> {
  console.log(`${JOBS} live jobs of ${SERVERS} servers, idle`);
  const child = spawn(process.execPath, [join(__dirname, 'growth-servers.js'), String(SERVERS), String(JOBS)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const urls = JSON.parse(line.toString()) as readonly string[];
  const states = Array.from({ length: JOBS }, (_, n) => stateOf(n, urls[n % SERVERS] ?? ''));
  const close = await takenUp(states, urls);
  if (!given.flag('taken-up')) {
    // What the first looks told is stored by then.
    await pause(30_000);
    console.log(`  ${await costOf(2 * LOOKED_MS)}`);
  }
  await close();
  child.kill();
}

async function away(more: Partial<JobState>, what: string): Promise<void> {
  console.log(`${JOBS} jobs of a server that is away${what}`);
  // Nobody listens at the ports 1 and 2.
  const states = Array.from({ length: JOBS }, (_, n) => stateOf(n, 'http://127.0.0.1:1', more));
  const close = await takenUp(states, ['http://127.0.0.1:1', 'http://127.0.0.1:2']);
  await pause(AWAY_MS);
  console.log(`  ${await costOf(LOOKED_MS)}`);
  await close();
}

/** Microseconds of CPU a frame on a board with so many jobs: of one of them, or of so many in turn. */
async function frameCost(jobs: number, told: number): Promise<number> {
  const board = jobBoard(defaultTiming);
  const url = (n: number): string => `http://comfyui-${n % SERVERS}`;
  const workflow = { '1': { class_type: 'KSampler', inputs: { steps: 1_000 } } };
  for (let n = 0; n < SERVERS; n += 1) board.take({ tag: 'linked', clientId: `client of ${url(n)}`, at: 0 });
  for (let n = 0; n < jobs; n += 1)
    board.take({ tag: 'opened', job: jobOf(stateOf(n, url(n)), { graph: graphOf(workflow), accepted: true }) });
  const frames = Array.from({ length: Math.max(told, 1_000) }, (_, n) => {
    const origin = { clientId: `client of ${url(n % told)}`, serverUrl: url(n % told), at: Date.now() };
    const step = { type: 'progress', data: { value: n, max: 1_000, prompt_id: `job-${n % told}`, node: '1' } };
    const status = { type: 'status', data: { status: { exec_info: { queue_remaining: jobs + n } } } };
    const all = [step, ...(n % 10 === 0 ? [status] : [])];
    return all.map((frame) => [Buffer.from(JSON.stringify(frame)), origin] as const);
  }).flat();
  const take = ([frame, origin]: (typeof frames)[number]): void => {
    for (const event of decoded(frame, false, origin, () => undefined)) board.take(event);
  };
  frames.forEach(take);
  // What filling the board left behind is collected before frames are counted, and swept by threads for a while after that.
  heap();
  await pause(SWEPT_MS);
  const rounds = Math.ceil(FRAMES / frames.length);
  const before = process.cpuUsage();
  for (let round = 0; round < rounds; round += 1) frames.forEach(take);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / (rounds * frames.length);
}

async function frames(): Promise<void> {
  const rounds: (readonly number[])[] = [];
  for (let n = 0; n <= 7; n += 1)
    rounds.push([
      await frameCost(10, 1),
      await frameCost(JOBS, 1),
      await frameCost(10, 10),
      await frameCost(JOBS, JOBS),
    ]);
  const median = (of: number): number =>
    rounds
      .slice(1)
      .map((round) => round[of] ?? NaN)
      .sort((a, b) => a - b)[3] ?? NaN;
  for (const [what, of] of [
    ['of one job', 0],
    ['of each in turn', 2],
  ] as const) {
    const [few, many] = [median(of), median(of + 1)];
    console.log(
      `a frame ${what}, with 10 jobs ${few.toFixed(2)} µs, with ${JOBS} ${many.toFixed(2)} µs: × ${(many / few).toFixed(2)}`,
    );
  }
}

async function main(): Promise<void> {
  const idleOnly = given.flag('idle') || given.flag('taken-up');
  if (!idleOnly) await frames();
  if (given.flag('frames')) return;
  await idle();
  if (idleOnly) return;
  await away({}, '');
  await away({ retry: { maxAttempts: 3, onLost: 'resubmit' } }, ', all to be run elsewhere if need be');
}

void main();
