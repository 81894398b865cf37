import { faultBench } from './fault-bench';
import { faultResults } from './fault-results';
import { embeddedFaults } from './stores/embedded/embedded-faults';
import { redisFaults } from './stores/redis/redis-faults';
import type { StartStore } from './stores/tested-store';
import { VALUE, commandLine, wrong } from '../../../scripts/command-line';
import { printed } from '../table';

/** The client is told of less than Redis accepts: it is away while the only instance is, and a while after. */
const STORES: Readonly<Record<string, { readonly start: StartStore; readonly writesPerMinute: number }>> = {
  redis: { start: redisFaults, writesPerMinute: 5_000 },
  embedded: { start: embeddedFaults, writesPerMinute: 1_000 },
};

const USAGE =
  'usage: npm run faults -- [--store redis|embedded] [--minutes 10] [--seed N] [--live 210] [--every SECONDS]';
const given = commandLine(USAGE, { store: VALUE, minutes: VALUE, seed: VALUE, live: VALUE, every: VALUE });

async function main(): Promise<void> {
  const minutes = given.number('minutes', 10);
  const seed = given.number('seed', Math.floor(Math.random() * 1e6));
  const store = given.value('store') ?? 'redis';
  const tested = STORES[store] ?? wrong(USAGE, `--store is one of ${Object.keys(STORES).join(', ')}, not ${store}`);
  console.log(`Fault bench of the ${store} store, ${minutes} min, seed ${seed}`);
  const targets = { writes: minutes * tested.writesPerMinute, killsAndStops: Math.floor(minutes * 4) };
  const options = {
    start: tested.start,
    seed,
    ms: minutes * 60_000,
    targets,
    live: given.number('live', 210),
    everyMs: given.number('every', 5) * 1_000,
    say: (line: string) => console.log(`  ${line}`),
  };
  const isMet = await faultBench(options, (run) => printed(faultResults(run)));
  if (!isMet) process.exitCode = 1;
}

main().then(
  () => process.exit(),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
