import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import type { PublicJob } from '../../../gateway/wire/public-job';
import { canary, watchFor } from '../../support/jest/canary';
import { freePort } from '../../support/network/ports';
import { startService, type Service } from '../../support/programs/service';
import { until } from '../../support/until';

const secret = canary('jwt-secret');
const trainPy = join(__dirname, '../../../examples/trainer/train.py');

let directory: string;
let port: number;
let service: Service | undefined;
let trainer: ChildProcess | undefined;
let ada: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'reported-'));
  port = await freePort();
  ada = await new SignJWT({ sub: 'ada' })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(secret));
  await start();
});
afterEach(async () => {
  trainer?.kill('SIGKILL');
  await service?.kill();
  await rm(directory, { recursive: true });
});

const start = async (): Promise<void> => {
  service = await startService({
    PORT: String(port),
    COMFYUI_URL: 'http://127.0.0.1:9',
    DATA_DIR: directory,
    JWT_SECRET: secret,
    LOG_LEVEL: 'trace',
  });
};

/** The trainer meets the outage, and stands still from then on: however long the service takes to start, it trains on after it. */
async function restarted(end: () => Promise<unknown>): Promise<void> {
  await end();
  const nobody = createServer((connection) => connection.destroy()).listen(port, '127.0.0.1');
  await once(nobody, 'connection');
  trainer!.kill('SIGSTOP');
  nobody.close();
  await once(nobody, 'close');
  await start();
  trainer!.kill('SIGCONT');
}

/** As its user asks; again while the service is away. */
async function asked(method: string, path: string, body?: object): Promise<PublicJob & { report?: Access }> {
  for (;;) {
    const headers = { Authorization: `Bearer ${ada}`, 'Content-Type': 'application/json' };
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers,
      ...(body && { body: JSON.stringify(body) }),
    }).catch(() => undefined);
    if (answer?.ok === true) return (await answer.json()) as PublicJob & { report?: Access };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
interface Access {
  readonly url: string;
  readonly token: string;
}

/** A job, and the Python program that trains and reports. */
async function training(steps: number, secondsPerStep: number, silentMs: number): Promise<string> {
  const { promptId, report } = await asked('POST', '/jobs', { type: 'lora_training', reported: { steps, silentMs } });
  watchFor(report!.token);
  const url = `http://127.0.0.1:${port}${report!.url}`;
  trainer = spawn('python3', [trainPy, url, report!.token, String(steps), String(secondsPerStep)], {
    stdio: 'inherit',
  });
  return promptId;
}

test('[R2] a training in Python goes on through a kill -9 and a restart of the service, and tells its end', async () => {
  const promptId = await training(120, 0.1, 60_000);
  const ended = once(trainer!, 'exit');
  const seen: PublicJob[] = [];
  const look = async (): Promise<PublicJob> => {
    const job = await asked('GET', `/jobs/${promptId}`);
    seen.push(job);
    return job;
  };
  const reaches = (step: number) => until(async () => ((await look()).node?.value ?? 0) >= step);

  await reaches(20);
  await restarted(() => service!.kill());
  await reaches(50);
  await restarted(() => service!.terminate());
  await until(async () => (await look()).status === 'completed');

  expect(await ended).toEqual([0, null]);
  const progress = seen.map((job) => job.progress);
  expect(progress).toEqual([...progress].sort((a, b) => a - b));
  expect(seen.at(-1)).toMatchObject({ progress: 100, outputs: [{ filename: 'ada.safetensors', type: 'reported' }] });
  expect(Object.keys(seen.at(-1)?.metrics ?? {})).toEqual(['loss', 'lr']);
});

test('a trainer that is killed in the middle is timed out in time, also where the service is killed after it', async () => {
  const promptId = await training(1_000, 0.05, 10_000);
  await until(async () => (await asked('GET', `/jobs/${promptId}`)).node !== undefined);
  trainer!.kill('SIGKILL');
  await service!.kill();
  await start();
  await until(async () => (await asked('GET', `/jobs/${promptId}`)).status === 'failed');
  expect(await asked('GET', `/jobs/${promptId}`)).toMatchObject({ failure: { kind: 'timed_out', retryable: true } });
});

test('what the service would not take of a report is left out, and the training goes on', async () => {
  const { promptId, report } = await asked('POST', '/jobs', { type: 'lora_training', reported: {} });
  watchFor(report!.token);
  const loop = `
import sys, time
sys.path.insert(0, sys.argv[1])
from jobstream_report import Reporter
with Reporter(sys.argv[2], sys.argv[3], every=0) as report:
    report.step(11, 10, stage="", message="", metrics={"_step": 1, "loss": 0.5, "": 2, "lr": float("nan"), "x\\n": 3})
    report.step("3", 2e12, metrics={"__proto__": 1})
    while report.job is None: time.sleep(0.01)
    report._next["unknown"] = 1
    report.step(4, 10)
    while report.refused is None: time.sleep(0.01)
    report.step(5, 10)
    assert not report.stopped and report.error is None and "unknown" in report.refused
    report.completed(["a\\nb.safetensors", ""], metrics={"lr": 1})`;
  const args = ['-c', loop, join(trainPy, '..'), `http://127.0.0.1:${port}${report!.url}`, report!.token];
  trainer = spawn('python3', args, { stdio: 'inherit' });
  expect(await once(trainer, 'exit')).toEqual([0, null]);
  expect(await asked('GET', `/jobs/${promptId}`)).toMatchObject({
    status: 'completed',
    metrics: { loss: 0.5, lr: 1 },
    outputs: [{ filename: 'a_b.safetensors' }],
  });
});

test('a cancel stops the trainer', async () => {
  const promptId = await training(1_000, 0.05, 60_000);
  const ended = once(trainer!, 'exit');
  await until(async () => (await asked('GET', `/jobs/${promptId}`)).node !== undefined);
  await asked('POST', `/jobs/${promptId}/cancel`);
  expect(await ended).toEqual([3, null]);
});
