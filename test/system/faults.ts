import { faultBench } from './fault-bench';
import { faultResults } from './fault-results';
import { option } from './seeded';
import { printed } from './table';

/** `npm run faults -- [--minutes 10] [--seed N]` */
async function main(): Promise<void> {
  const minutes = option('minutes') ?? 10;
  const seed = option('seed') ?? Math.floor(Math.random() * 1e6);
  console.log(`Fault bench, ${minutes} min, seed ${seed}`);
  const run = await faultBench({
    seed,
    ms: minutes * 60_000,
    live: option('live') ?? 210,
    everyMs: 5_000,
    say: (line) => console.log(`  ${line}`),
  });
  try {
    const isMet = printed(faultResults(run, { writes: minutes * 5_000, killsAndStops: Math.floor(minutes * 4) }));
    if (!isMet) process.exitCode = 1;
  } finally {
    await run.bench.close();
  }
}

main().then(
  () => process.exit(),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
