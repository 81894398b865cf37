import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filter, lastValueFrom, take, timeout, type Subscription } from 'rxjs';
import type { Pipeline, Preview, SubmitRequest, Workflow } from '../../../pipeline/api';
import { createPipeline, type PipelineOptions } from '../../../pipeline/instance/create-pipeline';
import { embeddedStore } from '../../../sinks/embedded/embedded-store';
import type { JobStore } from '../../../sinks/job-store';
import { isNewer, isSettled, type JobState } from '../../../streams/job/job-state';
import type { Timing } from '../../../streams/job/timing';
import { startComfyUI, type ComfyUIStandIn, type StandInOptions } from '../../support/comfyui/stand-in';
import type { ComfyUIVersion } from '../../support/comfyui/versions';
import { tcpProxy, type TcpProxy } from '../../support/network/tcp-proxy';
import { hurried } from '../../support/pipeline/pipelines';
import { PATIENCE_MS, until } from '../../support/until';

/** In earnest, but some ten times as fast. */
export const fast: Partial<Timing> = { ...hurried, trapQuietMs: 800 };

/** A job as one watcher sees it. */
export interface Followed {
  readonly promptId: string;
  /** Every state so far. */
  readonly states: readonly JobState[];
  /** The next state that fits, those so far included. */
  where(fits: (state: JobState) => boolean): Promise<JobState>;
  /** The state that settled it. */
  readonly end: Promise<JobState>;
}

/** A ComfyUI, a way to it that can be spoilt, and a pipeline at work. */
export interface World {
  readonly version: ComfyUIVersion;
  readonly comfy: ComfyUIStandIn;
  readonly proxy: TcpProxy;
  readonly pipeline: Pipeline;
  readonly store: JobStore;
  /** Trouble that was reported. */
  readonly reports: readonly (readonly [where: string, error: unknown])[];
  readonly previews: readonly Preview[];
  /** Submits and follows a workflow of ada’s. */
  readonly run: (workflow: object, more?: Partial<SubmitRequest>) => Promise<Followed>;
  readonly follow: (promptId: string) => Followed;
  /** What was asked of ComfyUI so far, workflows posted apart: `GET /queue`. */
  readonly questions: () => readonly string[];
}

export interface WorldOptions {
  readonly comfyUI?: Partial<StandInOptions>;
  readonly timing?: Partial<Timing>;
  readonly pipeline?: Partial<PipelineOptions>;
  /** Whether the pipeline reaches ComfyUI through the proxy. */
  readonly proxied?: boolean;
}

/** Runs a scenario in a world of its own, and sees that nothing is left of it: no socket, no job that ran twice. */
export async function inWorld(
  version: ComfyUIVersion,
  options: WorldOptions,
  scenario: (world: World) => Promise<void>,
): Promise<void> {
  const comfy = await startComfyUI({ version, timeScale: 0.5, ...options.comfyUI });
  const proxy = await tcpProxy(comfy.url);
  const directory = await mkdtemp(join(tmpdir(), 'jobstream-world-'));
  const reports: [string, unknown][] = [];
  const report = (where: string, error: unknown): void => void reports.push([where, error]);
  const store = options.pipeline?.store ?? embeddedStore({ directory, report });
  const pipeline = createPipeline({
    servers: [options.proxied === true ? proxy.url : comfy.url],
    store,
    report,
    random: () => 0.3,
    timing: { ...fast, ...options.timing },
    socketTiming: { closeMs: 300 },
    ...options.pipeline,
  });
  const previews: Preview[] = [];
  const followed: Followed[] = [];
  const follow = (promptId: string): Followed => {
    pipeline.previews(promptId).subscribe((preview) => previews.push(preview));
    const one = following(pipeline, promptId);
    followed.push(one);
    return one;
  };
  const world: World = {
    version,
    comfy,
    proxy,
    pipeline,
    store,
    reports,
    previews,
    follow,
    run: async (workflow, more) => {
      const request = { type: 'image_generation', userId: 'ada', workflow: workflow as Workflow, ...more };
      return follow((await pipeline.submit(request)).promptId);
    },
    questions: () =>
      comfy.requests
        .filter(({ method, path }) => method !== 'POST' || path !== '/prompt')
        .map(({ method, path }) => `${method} ${path}`),
  };
  try {
    await scenario(world);
    for (const { states } of followed) expectOrder(states);
  } finally {
    await pipeline.close();
    // A socket whose other side the proxy holds is not ours to close.
    if (options.proxied !== true) await until(() => comfy.sockets() === 0);
    await proxy.close();
    await comfy.stop();
    await rm(directory, { recursive: true });
  }
  expect([...comfy.executions.values()].filter((times) => times !== 1)).toEqual([]);
}

/** Runs the scenario on each version of ComfyUI, at the same time: it mostly waits. */
export async function inWorlds(options: WorldOptions, scenario: (world: World) => Promise<void>): Promise<void> {
  const outcomes = await Promise.allSettled(versions.map((version) => inWorld(version, options, scenario)));
  outcomes.forEach((outcome, n) => {
    if (outcome.status === 'fulfilled') return;
    const error = outcome.reason as Error;
    error.message = `on ${versions[n] ?? ''}: ${error.message}`;
    throw error;
  });
}

const versions: readonly ComfyUIVersion[] = ['0.3.30', '0.3.64', '0.33.0'];

/** Follows a job from now on. */
export function following(pipeline: Pick<Pipeline, 'watch'>, promptId: string): Followed {
  const states: JobState[] = [];
  const state$ = pipeline.watch(promptId);
  const waiting = new Set<() => void>();
  let failure: Error | undefined;
  const subscription: Subscription = state$.subscribe({
    next: (state) => {
      states.push(state);
      waiting.forEach((look) => look());
    },
    error: (error: unknown) => {
      failure = error as Error;
      waiting.forEach((look) => look());
    },
  });
  const where = (fits: (state: JobState) => boolean): Promise<JobState> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        subscription.unsubscribe();
        reject(new Error(`waited in vain for ${fits.toString()}, the last state was ${JSON.stringify(states.at(-1))}`));
      }, PATIENCE_MS).unref();
      const look = (): void => {
        const state = states.find(fits);
        if (state === undefined && failure === undefined) return;
        waiting.delete(look);
        clearTimeout(timer);
        if (state !== undefined) resolve(state);
        else if (failure !== undefined) reject(failure);
      };
      waiting.add(look);
      look();
    });
  const end = where(isSettled);
  end.catch(() => undefined);
  return { promptId, states, where, end };
}

/** [R1] [R2] What a watcher sees never goes backward, and ends once. */
function expectOrder(states: readonly JobState[]): void {
  const wrong = states.flatMap((state, n) => (isInOrder(state, states[n - 1]) ? [] : [[states[n - 1], state]]));
  expect(wrong).toEqual([]);
}

function isInOrder(state: JobState, before?: JobState): boolean {
  const { progress, status } = state;
  if ((progress === 100) !== (status === 'completed') || progress !== Math.round(progress * 10) / 10) return false;
  if (before === undefined) return true;
  const isSame = (['promptId', 'userId', 'startedAt'] as const).every((key) => state[key] === before[key]);
  return isSame && progress >= before.progress && isNewer(state, before) && !isSettled(before);
}

/** The pipeline's first state that fits, of whatever job. */
export const stateWhere = (pipeline: Pipeline, fits: (state: JobState) => boolean): Promise<JobState> =>
  lastValueFrom(pipeline.states$.pipe(filter(fits), take(1), timeout(PATIENCE_MS)));
