// A stand-in for a training, which reports: `node trainer.mjs URL TOKEN STEPS SECONDS_A_STEP`. Exits with 3 where it was
// told to stop. Your own training would rather be in Python: see ../trainer.
import { setTimeout as sleep } from 'node:timers/promises';

const [url, token, steps, seconds] = process.argv.slice(2);
const max = Number(steps);
let job;

/** Whether it was answered. A 429, a 5xx and a service that is away pass by themselves. */
async function told(report) {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
  try {
    const signal = AbortSignal.timeout(10_000);
    const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(report), signal });
    if (answer.ok) job = await answer.json();
    else if (answer.status < 500 && answer.status !== 429) {
      console.error(`the report was refused with ${answer.status}: ${await answer.text()}`);
      process.exit(1);
    }
    return answer.ok;
  } catch {
    return false;
  }
}
const isStopped = () => job?.status === 'completed' || job?.status === 'failed';

let telling;
for (let value = 1; value <= max && !isStopped(); value += 1) {
  await sleep(Number(seconds) * 1000);
  const metrics = { loss: 0.4 * Math.exp((-3 * value) / max) + 0.05 };
  // The training waits for no answer: what is newest is told once the report before it has been answered.
  telling ??= told({ count: Date.now(), value, max, stage: 'training', metrics }).finally(() => (telling = undefined));
}
await telling;
const end = { count: Date.now() + 1, outputs: ['ada.safetensors'] };
while (!isStopped() && !(await told(end))) await sleep(500);
process.exitCode = job.status === 'completed' ? 0 : 3;
