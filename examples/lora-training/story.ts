import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { jobstream, type JobState } from '../../gateway/client/index'; // in an application: 'comfyui-jobstream/client'
import { openStage, trainLora, type Stage } from './stage';
import { complaints, etaWords, longestSilence, type Restart } from './verdict';
import { clock, viewerOf, type Viewer } from './viewer';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '40' },
    steps: { type: 'string', default: '300' },
    trainer: { type: 'string', multiple: true },
    busy: { type: 'boolean', default: false },
  },
});
const TRAINING_SECONDS = 5_400;
const SECONDS = Number(values.seconds);
const SCALE = TRAINING_SECONDS / SECONDS;
/** Each takes 18 s, as it is told, where there are 300. */
const STEPS = Number(values.steps);
const SECONDS_PER_STEP = SECONDS / STEPS;
const USER = 'ada';
/** The programs that train and report, by the language they are in. */
const TRAINERS = {
  python: ['python3', join(__dirname, '../trainer/train.py')],
  node: [process.execPath, join(__dirname, 'trainer.mjs')],
} as const;
type Trainer = keyof typeof TRAINERS;
/** How a time is told. */
const scaled = (ms: number): string => clock(ms * SCALE);
/** A story that takes so long comes to no end. */
const LIMIT_MS = 3_000 * SECONDS + 60_000;
/** After which share of the steps what goes wrong; while Redis is away, so much of the training must be seen to go on. */
const SIGTERM_AT = 0.2;
const REDIS_AT = 0.45;
const REDIS_AWAY = 0.1;
const SIGKILL_AT = 0.65;

async function story(stage: Stage): Promise<readonly string[]> {
  const jobs = jobstream({ url: stage.url, token: stage.token });
  const said = jobs.status$.subscribe((status) => console.log(`${' '.repeat(9)}the user’s page is ${status}`));
  try {
    const trained = await post(stage, { workflow: trainLora(STEPS, SECONDS_PER_STEP) });
    const trainers = trainersWanted();
    const reported = await Promise.all(
      trainers.map(async (by) => ({ by, job: await post(stage, { reported: { steps: STEPS } }) })),
    );
    const viewers = [
      viewerOf('ComfyUI', jobs.watchJob(trained.promptId), SCALE),
      ...reported.map(({ by, job }) =>
        viewerOf(trainers.length === 1 ? 'reported' : by, jobs.watchJob(job.promptId), SCALE),
      ),
    ];
    const training = reported.map(({ by, job: { report } }) =>
      train(by, `${stage.url}${report?.url ?? ''}`, report?.token ?? ''),
    );
    const [restarts] = await Promise.all([troubles(stage, viewers), ...viewers.map(({ ended }) => ended)]);
    const codes = await Promise.all(training);
    const found = viewers.flatMap((viewer) => summary(viewer, restarts));
    const runs = stage.executions();
    return [
      ...found,
      ...codes.filter((code) => code !== 0).map((code) => `a trainer ended with ${code}`),
      ...(runs === 1 ? [] : [`ComfyUI ran it ${runs} times`]),
    ];
  } finally {
    said.unsubscribe();
    jobs.close();
  }
}

/** What goes wrong, one after the other, each once both trainings are that far and have been heard of again. */
async function troubles(stage: Stage, viewers: readonly Viewer[]): Promise<readonly Restart[]> {
  const allAt = async (share: number): Promise<void> => {
    while (viewers.some((viewer) => viewer.done() < share)) await sleep(20);
  };
  const restart = async (signal: 'SIGTERM' | 'SIGKILL', name: string): Promise<Restart> => {
    console.log(`\n${name}: the service ends …`);
    const from = Date.now();
    await stage.restart(signal);
    const to = Date.now();
    console.log(`… and is back after ${scaled(to - from)}\n`);
    return { name, from, to };
  };
  await allAt(SIGTERM_AT);
  const first = await restart('SIGTERM', 'SIGTERM');
  await allAt(REDIS_AT);
  console.log('\nRedis is killed …');
  const from = Date.now();
  await stage.killRedis();
  await allAt(REDIS_AT + REDIS_AWAY);
  await stage.startRedis();
  console.log(`… and is back after ${scaled(Date.now() - from)}; the bars went on meanwhile\n`);
  await allAt(SIGKILL_AT);
  return [first, await restart('SIGKILL', 'kill -9')];
}

/** Prints how well a job was told of. Returns what was wrong with it. */
function summary({ name, seen }: Viewer, restarts: readonly Restart[]): readonly string[] {
  console.log(`\n${name}: ${seen.length} states seen; ${scaled(longestSilence(seen))} at most without news`);
  for (const restart of restarts) console.log(`  ${etaWords(seen, restart, scaled)}`);
  return complaints(seen, restarts, scaled, values.busy).map((complaint) => `${name}: ${complaint}`);
}

interface Opened extends JobState {
  readonly report?: { readonly url: string; readonly token: string };
}

async function post({ url, token }: Stage, body: object): Promise<Opened> {
  const answer = await fetch(`${url}/jobs`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ type: 'lora_training', userId: USER, ...body }),
  });
  if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as Opened;
}

/** Those that were asked for; else the one in Python, or in Node where there is none. */
function trainersWanted(): readonly Trainer[] {
  const named = (values.trainer ?? []).filter((name): name is Trainer => name in TRAINERS);
  if (named.length > 0) return named;
  return [spawnSync('python3', ['--version']).status === 0 ? 'python' : 'node'];
}

/** Runs the program that trains. Resolves with its exit code. */
async function train(trainer: Trainer, url: string, token: string): Promise<number | null> {
  const [program, file] = TRAINERS[trainer];
  const child = spawn(program, [file, url, token, String(STEPS), String(SECONDS_PER_STEP)], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const leave = (): void => void child.kill();
  process.once('exit', leave);
  const [code] = (await once(child, 'exit')) as [number | null];
  process.off('exit', leave);
  return code;
}

async function main(): Promise<void> {
  console.log(
    `A LoRA is trained for ${clock(TRAINING_SECONDS * 1000)}, told in ${SECONDS} s, at ComfyUI and by a program that reports.\n`,
  );
  const stage = await openStage(USER);
  const limit = setTimeout(() => {
    console.error('It comes to no end.');
    process.exit(1);
  }, LIMIT_MS);
  try {
    const wrong = await story(stage);
    console.log(wrong.length === 0 ? '\nAll is well.' : `\n${wrong.join('\n')}`);
    process.exitCode = wrong.length === 0 ? 0 : 1;
  } finally {
    clearTimeout(limit);
    await stage.close();
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
