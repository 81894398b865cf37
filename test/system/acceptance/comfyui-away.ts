import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pipeline } from '../../../pipeline/api';
import { createPipeline } from '../../../pipeline/instance/create-pipeline';
import { embeddedStore } from '../../../sinks/embedded/embedded-store';
import { isSettled, type JobState } from '../../../streams/job/job-state';
import { defaultTiming, type Timing } from '../../../streams/job/timing';
import { startComfyUI, type ComfyUIStandIn } from '../../support/comfyui/stand-in';
import { steadyOrder } from '../verdicts/orders';
import { FLAG, VALUE, commandLine } from '../../../scripts/command-line';
import { atLeast, atMost, noted, printed, withinSeconds, type Row } from '../table';

/** `tsx test/system/acceptance/comfyui-away.ts [--minutes 10] [--scale 10]`: a ComfyUI that is killed, and one behind error pages. */
const given = commandLine('usage: comfyui-away [--minutes 10] [--scale 10] [--pages]', {
  minutes: VALUE,
  scale: VALUE,
  pages: FLAG,
});
const MINUTES = given.number('minutes', 10);
/** How much faster than in earnest the second part goes. */
const SCALE = given.number('scale', 10);
const JOBS = 50;

interface Scene {
  readonly comfy: ComfyUIStandIn;
  readonly pipeline: Pipeline;
  /** The newest state of each job. */
  readonly states: ReadonlyMap<string, JobState>;
  /** When a job was first seen to be lost, or to wait for another run. */
  readonly givenUpAt: ReadonlyMap<string, number>;
}

async function inScene<T>(timing: Timing, timeScale: number, play: (scene: Scene) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'jobstream-away-'));
  const comfy = await startComfyUI({ version: '0.33.0', timeScale });
  const store = embeddedStore({ directory, report: () => undefined });
  const pipeline = createPipeline({ servers: [comfy.url], store, timing });
  const states = new Map<string, JobState>();
  const givenUpAt = new Map<string, number>();
  pipeline.states$.subscribe((state) => {
    states.set(state.promptId, state);
    const isGivenUp = state.failure?.kind === 'lost' || state.attempt > 1;
    if (isGivenUp && !givenUpAt.has(state.promptId)) givenUpAt.set(state.promptId, Date.now());
  });
  try {
    for (let n = 0; n < JOBS; n += 1) {
      const { request } = steadyOrder(n);
      await pipeline.submit(request);
    }
    return await play({ comfy, pipeline, states, givenUpAt });
  } finally {
    await pipeline.close();
    await comfy.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

async function settled({ states }: Scene, limitMs: number): Promise<void> {
  const until = Date.now() + limitMs;
  while (![...states.values()].every(isSettled) && Date.now() < until) await sleep(100);
}

/** In earnest: ComfyUI is killed with 50 jobs, is away for a while, and comes back without any of them. */
const killed = (): Promise<readonly Row[]> =>
  inScene(defaultTiming, 0.5, async (scene) => {
    const { comfy, states, givenUpAt } = scene;
    await sleep(2_000);
    const live = [...states.values()].filter((state) => !isSettled(state)).map(({ promptId }) => promptId);
    await comfy.kill();
    await sleep(20_000);
    const early = live.filter((promptId) => givenUpAt.has(promptId)).length;
    await comfy.restart();
    const backAt = Date.now();
    while (!live.every((promptId) => givenUpAt.has(promptId)) && Date.now() - backAt < 90_000) await sleep(100);
    const after = live.map((promptId) => ((givenUpAt.get(promptId) ?? Number.POSITIVE_INFINITY) - backAt) / 1000);
    const completed = live.filter((promptId) => states.get(promptId)?.status === 'completed');
    const wrongly = completed.filter((promptId) => (states.get(promptId)?.attempt ?? 0) < 2);
    return [
      noted('ComfyUI killed, 20 s away', `${live.length} live jobs`),
      atMost('  given up before it answered', 0, early),
      atLeast('  first given up after it answered', 10, Math.floor(Math.min(...after) * 10) / 10, ' s'),
      withinSeconds('  last given up after it answered', 60, Math.max(...after)),
      atMost('  completed without having been run again', 0, wrongly.length),
    ];
  });

const TROUBLES = [
  { httpStatus: 502, body: '<html><body>502 Bad Gateway</body></html>' },
  { httpStatus: 524, body: '<!DOCTYPE html><title>A timeout occurred</title>' },
  { httpStatus: 200, body: '<!DOCTYPE html><title>Starting…</title>' },
  { httpStatus: 404, body: '<html>Not found</html>' },
  'hangs',
] as const;

/** Ten minutes of error pages and time-outs, everything so many times faster, while jobs run and end behind them. */
const behindPages = (): Promise<readonly Row[]> => {
  const timing = Object.fromEntries(Object.entries(defaultTiming).map(([name, ms]) => [name, ms / SCALE]));
  return inScene(timing as unknown as Timing, 0.5, async (scene) => {
    const { comfy, states, givenUpAt } = scene;
    const end = Date.now() + (MINUTES * 60_000) / SCALE;
    comfy.dropSockets('abrupt');
    for (let n = 0; Date.now() < end; n += 1) {
      const trouble = TROUBLES[n % TROUBLES.length]!;
      comfy.faults.status = trouble === 'hangs' ? undefined : trouble;
      comfy.faults.hangRoutes = trouble === 'hangs' ? ['/'] : [];
      await sleep(20_000 / SCALE);
    }
    comfy.faults.status = undefined;
    comfy.faults.hangRoutes = [];
    await settled(scene, Number(process.env['SETTLE'] ?? 300_000));
    if (process.env['SHOW'])
      console.log(comfy.requests.slice(-20), [...states.values()].slice(0, 4), comfy.sockets(), comfy.executions.size);
    const ends = [...states.values()];
    return [
      noted(`${MINUTES} min of 502, 524, HTML and time-outs`, `${SCALE} times faster, ${ends.length} jobs`),
      atMost('  falsely lost', 0, givenUpAt.size),
      atMost('  not settled after', 0, ends.filter((state) => !isSettled(state)).length),
      atMost('  ended otherwise than at ComfyUI', 0, ends.filter(isWrong).length),
    ];
  });
};

/** Each fortieth is made to break, all others complete. */
const isWrong = ({ status, metadata }: JobState): boolean =>
  status !== (Number(metadata?.['order']) % 40 === 39 ? 'failed' : 'completed');

async function main(): Promise<void> {
  const rows = (await Promise.all(given.flag('pages') ? [behindPages()] : [killed(), behindPages()])).flat();
  if (!printed(rows)) process.exitCode = 1;
}

main().then(
  () => process.exit(),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
