/**
 * `npm run bench`: what a frame costs the whole pipeline, in a process of its own with Redis and the
 * gateway, fed over real sockets by another process; beside a bare loop and two clients of others in the same run. Parts:
 * `flat-out`, `growth`, `paced`, `overload`, `memory`, `redis`; all where none is named. Prints tables of Markdown.
 */
import { loadavg } from 'node:os';
import { FLAG, commandLine, wrong } from '../../scripts/command-line';
import { beside, growth, type Effort, type Line } from './flat-out';
import { overloaded, paced, type Paced } from './paced';
import { aFeeder, type Feeder } from './stage';
import { inRedis, perSocket, takenUp } from './weight';

const USAGE = 'usage: npm run bench -- [--quick] [flat-out|growth|paced|overload|memory|redis]…';
const given = commandLine(USAGE, { quick: FLAG }, 'others');
const isQuick = given.flag('quick');
const named = given.others;
const effort: Effort = isQuick ? { rounds: 3, ms: 250 } : { rounds: 7, ms: 700 };

const row = (...cells: readonly (string | number)[]): void => console.log(`| ${cells.join(' | ')} |`);
const table = (...head: readonly string[]): void => {
  row(...head);
  row(...head.map(() => '---'));
};
const load = (): string => `load average ${loadavg()[0]?.toFixed(1) ?? '?'}`;

function lines(all: readonly Line[]): void {
  for (const { what, ratio, microseconds, perSecond } of all)
    row(what, `× ${ratio.toFixed(2)}`, microseconds.toFixed(1), Math.round(perSecond / 100) * 100);
}

async function flatOut(feeder: Feeder): Promise<void> {
  for (const nodes of ['progress', 1, 60, 300] as const) {
    if (isQuick && nodes === 'progress') continue;
    const what = nodes === 'progress' ? '`progress`' : `\`progress_state\` of ${nodes} node${nodes === 1 ? '' : 's'}`;
    console.log(`\n${what}, one job, flat out (${load()})\n`);
    table('', 'beside receive and parse', 'µs of CPU a frame', 'frames/s');
    lines(await beside(feeder, { nodes, jobs: 1 }, effort));
  }
}

async function growing(feeder: Feeder): Promise<void> {
  for (const [nodes, jobs] of [
    [1, isQuick ? [1, 1_000] : [1, 10, 100, 1_000, 10_000]],
    [60, isQuick ? [] : [1, 1_000]],
  ] as const) {
    if (jobs.length === 0) continue;
    console.log(`\n\`progress_state\` of ${nodes} nodes, flat out, by jobs (${load()})\n`);
    table('jobs', 'beside one', 'µs of CPU a frame', 'frames/s');
    // Long enough for what each job costs once, at the start and at the end of a flood, not to count.
    lines(await growth(feeder, nodes, jobs, { rounds: isQuick ? 2 : 5, ms: nodes === 1 ? 40_000 : 2_000 }));
  }
}

function pacedRow(what: string, { perSecond, share, statesPerSecond, heard }: Paced): void {
  const ms = (value: number | undefined): string => (value === undefined ? '' : value.toFixed(1));
  row(
    ...[what, Math.round(perSecond), `${(share * 100).toFixed(0)} %`, Math.round(statesPerSecond)],
    ...[ms(heard?.p50), ms(heard?.p99), ms(heard?.gapP99), ms(heard?.gapWorst)],
  );
}

const PACED = [
  '',
  'frames/s',
  'of a core',
  'states/s told',
  'latency p50, ms',
  'p99',
  'between states p99, ms',
  'most',
];

async function atPace(feeder: Feeder): Promise<void> {
  const seconds = isQuick ? 5 : 20;
  console.log(`\n1,000 jobs of one node at 20,000 frames a second (${load()})\n`);
  table(...PACED);
  pacedRow('nobody watches', await paced(feeder, { nodes: 1, jobs: 1_000 }, 20_000, seconds, false));
  pacedRow('100 sockets follow all', await paced(feeder, { nodes: 1, jobs: 1_000 }, 20_000, seconds, true));
}

async function overload(feeder: Feeder): Promise<void> {
  console.log(`\n1,000 jobs of one node, as fast as the socket takes them, 100 sockets follow all (${load()})\n`);
  table(...PACED, 'newest of each job, ms at most', 'all there');
  const { isComplete, ...all } = await overloaded(feeder, { nodes: 1, jobs: 1_000 }, isQuick ? 300_000 : 2_000_000);
  pacedRow('flood', all);
  console.log(
    `newest state of each job: ${all.heard?.newestWorst.toFixed(0) ?? '?'} ms old at most; all there: ${String(isComplete)}`,
  );
}

async function memory(feeder: Feeder): Promise<void> {
  console.log(`\nMemory and take-up (${load()})\n`);
  table('', '');
  for (const jobs of isQuick ? [10_000] : [100, 1_000, 10_000])
    for (const seeds of [false, true]) {
      const { seconds, cpuSeconds, heapKbPerJob } = await takenUp(feeder, jobs, seeds);
      const what = `${jobs}, ${seeds ? 'each with a seed' : 'all of one workflow'}`;
      row(`jobs taken up from Redis, ${what}`, `${seconds.toFixed(2)} s, ${cpuSeconds.toFixed(2)} s of CPU`);
      row(`heap of a live job, of ${what}`, `${heapKbPerJob.toFixed(1)} KB`);
    }
  const { heapKb, rssKb } = await perSocket(feeder, isQuick ? 500 : 2_000);
  row('a socket in a room of its own', `${heapKb.toFixed(1)} KB of heap, ${rssKb.toFixed(1)} KB of RSS`);
}

async function redis(feeder: Feeder): Promise<void> {
  console.log(`\nA job in Redis: submitted, started, 20 steps in 2 s, one output, completed (${load()})\n`);
  const { scripts, commands, sentKb, storedKb } = await inRedis(feeder, isQuick ? 100 : 500);
  table('scripts called', 'commands, those in scripts too', 'sent to Redis', 'stored after its end');
  row(scripts.toFixed(1), commands.toFixed(1), `${sentKb.toFixed(1)} KB`, `${storedKb.toFixed(1)} KB`);
}

const parts: Readonly<Record<string, (feeder: Feeder) => Promise<void>>> = {
  'flat-out': flatOut,
  growth: growing,
  paced: atPace,
  overload,
  memory,
  redis,
};

async function main(): Promise<void> {
  const unknown = named.filter((name) => !(name in parts));
  if (unknown.length > 0) wrong(USAGE, `no such part: ${unknown.join(', ')}`);
  const feeder = await aFeeder();
  for (const [name, part] of Object.entries(parts)) if (named.length === 0 || named.includes(name)) await part(feeder);
  process.exit();
}

void main();
