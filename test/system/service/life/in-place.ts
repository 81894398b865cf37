import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JobState } from '../../../../streams/job/job-state';
import { asking, type Answer } from '../../../gateway/support/http/asking';
import { connected, join as joinJob, type Client } from '../../../gateway/support/sockets/client';
import { startComfyUI, type ComfyUIStandIn } from '../../../support/comfyui/stand-in';
import type { ComfyUIVersion } from '../../../support/comfyui/versions';
import { steps } from '../../../support/comfyui/workflows';
import { startService, type Service } from '../../../support/programs/service';
import { until } from '../../../support/until';

export const versions: readonly ComfyUIVersion[] = ['0.3.30', '0.3.64', '0.33.0'];

export interface Place {
  readonly comfy: ComfyUIStandIn;
  readonly directory: string;
  /** Starts the service on this place’s ComfyUI and directory. */
  readonly start: (settings?: Readonly<Record<string, string>>) => Promise<Service>;
}

/** Runs a scenario with a ComfyUI and a directory of its own; whatever was started ends with it. */
export async function inPlace(version: ComfyUIVersion, scenario: (place: Place) => Promise<void>): Promise<void> {
  const comfy = await startComfyUI({ version, timeScale: 0.5 });
  const directory = await mkdtemp(join(tmpdir(), 'jobstream-service-'));
  const services: Service[] = [];
  try {
    await scenario({
      comfy,
      directory,
      start: async (settings) => {
        const service = await startService({ COMFYUI_URL: comfy.url, DATA_DIR: directory, ...settings });
        services.push(service);
        return service;
      },
    });
    expect([...comfy.executions.values()].filter((times) => times !== 1)).toEqual([]);
  } finally {
    await Promise.all(services.map((service) => service.kill()));
    await comfy.stop();
    await rm(directory, { recursive: true });
  }
}

export const job = (workflow: object, more: object = {}) => ({
  body: { workflow, type: 'image_generation', userId: 'ada', ...more },
});
export const stateIn = ({ json }: Answer): JobState => json as unknown as JobState;

/** Resolves with the job once it fits, as `GET /jobs/:promptId` tells it. */
export async function jobWhere(
  { url }: Service,
  promptId: string,
  fits: (state: JobState) => boolean,
): Promise<JobState> {
  let state: JobState | undefined;
  await until(async () => {
    const answer = await asking({ url })('GET', `/jobs/${promptId}`);
    expect(answer.status).toBe(200);
    state = stateIn(answer);
    return fits(state);
  });
  return state!;
}

export const isEnd = (state: Pick<JobState, 'status'> | undefined): boolean =>
  state?.status === 'completed' || state?.status === 'failed';
export const long = (count: number) => steps({ steps: count, secondsPerStep: 0.1 });

/** Submits a workflow; resolves with the job’s id. */
export async function submitted({ url }: Service, workflow: object): Promise<string> {
  const answer = await asking({ url })('POST', '/jobs', job(workflow));
  expect(answer.status).toBe(202);
  return stateIn(answer).promptId;
}

export async function joined(service: Service, promptId: string): Promise<Client> {
  const socket = await connected(service);
  expect(await joinJob(socket, promptId)).toMatchObject({ ok: true });
  return socket;
}
