import { setTimeout as sleep } from 'node:timers/promises';

/** Asks each instance `/livez` ten times a second, in a process that does nothing else, until it is told to stop; then tells all times, ms. */
process.once('message', (urls) => {
  const latencies: number[] = [];
  let over = false;
  const probing = (urls as readonly string[]).map(async (url) => {
    while (!over) {
      const began = performance.now();
      const isAnswered = await fetch(`${url}/livez`)
        .then(async (answer) => answer.ok && (await answer.arrayBuffer()).byteLength > 0)
        .catch(() => false);
      latencies.push(isAnswered ? performance.now() - began : Infinity);
      await sleep(100);
    }
  });
  process.once('message', () => {
    over = true;
    void Promise.all(probing).then(() => process.send?.(latencies.map((ms) => Math.min(ms, 1e9))));
  });
});
process.once('disconnect', () => process.exit());
