import { faultBench } from './fault-bench';
import { faultResults } from './fault-results';
import { option } from '../seeded';
import { printed } from '../table';

/** `npm run faults -- [--minutes 10] [--seed N] [--live 210] [--every 5]` */
async function main(): Promise<void> {
  const minutes = option('minutes') ?? 10;
  const seed = option('seed') ?? Math.floor(Math.random() * 1e6);
  console.log(`Fault bench, ${minutes} min, seed ${seed}`);
  const options = {
    ...{ seed, ms: minutes * 60_000, live: option('live') ?? 210, everyMs: (option('every') ?? 5) * 1_000 },
    say: (line: string) => console.log(`  ${line}`),
  };
  const targets = { writes: minutes * 5_000, killsAndStops: Math.floor(minutes * 4) };
  const isMet = await faultBench(options, (run) => printed(faultResults(run, targets)));
  if (!isMet) process.exitCode = 1;
}

main().then(
  () => process.exit(),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
