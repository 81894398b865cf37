/**
 * `npm run soak`: lives of 1,000 jobs before 2,000 sockets, over and over for ten
 * minutes, in one process with Redis and the gateway. After each round all jobs have ended, all sockets are gone and ComfyUI has
 * dropped its own; what is then left is counted. Exits 1 where the heap grew by more than 1 MB after the first third, or where
 * a handle is left over.
 */
import { loadavg } from 'node:os';
import { VALUE, commandLine } from '../scripts/command-line';
import { aContender, aFeeder, type Feeder, type Measured } from './frames/stage';
import { pause, started, type Fed, type Left, type ListenerOrder, type Process } from './frames/talk';

const MOST_MB = 1;
const STEPS = 50;
/** An end is kept for 20 s, to be written once more. */
const CONFIRMED_MS = 22_000;

interface Round {
  readonly minutes: number;
  readonly heapMb: number;
  readonly rssMb: number;
  readonly left: Left['resources'];
  readonly warnings: number;
}

async function oneRound(
  feeder: Feeder,
  { process: subject, clientId, opened }: Measured,
  listeners: Process<ListenerOrder>,
  jobs: number,
  sockets: number,
): Promise<Left> {
  const ids = await subject.ask<readonly string[]>({ tag: 'submit', jobs });
  const rooms = Array.from({ length: sockets }, (_, n) => [ids[n % ids.length] ?? '']);
  await listeners.ask({ tag: 'join', url: opened.gateway ?? '', rooms });
  await feeder.ask<Fed>({ tag: 'live', clientId, steps: STEPS });
  await subject.ask({ tag: 'settled' });
  await listeners.ask({ tag: 'leave' });
  await feeder.ask<Fed>({ tag: 'drop', clientId });
  await pause(CONFIRMED_MS);
  return subject.ask<Left>({ tag: 'heap' });
}

/** By how much a line through them rises from the first to the last. */
function riseOf(rounds: readonly Round[]): number {
  const mean = (of: (round: Round) => number): number =>
    rounds.reduce((sum, round) => sum + of(round), 0) / rounds.length;
  const [atMean, heapMean] = [mean(({ minutes }) => minutes), mean(({ heapMb }) => heapMb)];
  const spread = rounds.reduce((sum, { minutes }) => sum + (minutes - atMean) ** 2, 0);
  const slope = rounds.reduce((sum, { minutes, heapMb }) => sum + (minutes - atMean) * (heapMb - heapMean), 0) / spread;
  return slope * ((rounds.at(-1)?.minutes ?? 0) - (rounds[0]?.minutes ?? 0));
}

function verdictOf(rounds: readonly Round[]): boolean {
  const warm = rounds.slice(Math.ceil(rounds.length / 3));
  const [first, last] = [warm[0], warm.at(-1)];
  if (first === undefined || last === undefined || warm.length < 3)
    throw new Error('too few rounds: give it more minutes');
  const rise = riseOf(warm);
  const more = Object.entries(last.left).filter(([kind, count]) => count > (first.left[kind] ?? 0));
  console.log(
    `heap: ${rise.toFixed(2)} MB more over ${(last.minutes - first.minutes).toFixed(1)} minutes after the first third`,
  );
  console.log(
    `left over: ${more.length === 0 ? 'nothing' : more.map(([kind, count]) => `${kind} ${count}`).join(', ')}`,
  );
  console.log(`warnings of Node: ${last.warnings}`);
  return rise <= MOST_MB && more.length === 0 && last.warnings === 0;
}

const USAGE = 'usage: npm run soak -- [--minutes 10] [--jobs 1000] [--sockets 2000]';

async function main(): Promise<void> {
  const given = commandLine(USAGE, { minutes: VALUE, jobs: VALUE, sockets: VALUE });
  const [minutes, jobs, sockets] = [
    given.number('minutes', 10),
    given.number('jobs', 1_000),
    given.number('sockets', 2_000),
  ];
  const feeder = await aFeeder();
  const subject = await aContender(feeder, 'ours', { nodes: 1, jobs: 0 });
  const listeners = started('listeners');
  const began = performance.now();
  const rounds: Round[] = [];
  for (let passed = 0; passed < minutes; passed = (performance.now() - began) / 60_000) {
    const { heapBytes, rssBytes, resources, warnings } = await oneRound(feeder, subject, listeners, jobs, sockets);
    const round = {
      minutes: (performance.now() - began) / 60_000,
      heapMb: heapBytes / 2 ** 20,
      rssMb: rssBytes / 2 ** 20,
      left: resources,
      warnings,
    };
    rounds.push(round);
    console.log(
      `${round.minutes.toFixed(1)} min: heap ${round.heapMb.toFixed(2)} MB, RSS ${round.rssMb.toFixed(0)} MB, load average ${loadavg()[0]?.toFixed(1) ?? '?'}`,
    );
  }
  listeners.stop();
  await subject.stop();
  process.exit(verdictOf(rounds) ? 0 : 1);
}

void main();
