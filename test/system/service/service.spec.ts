import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JobState } from '../../../streams/job/job-state';
import { asking, type Answer } from '../../gateway/support/http/asking';
import { connected, heard, join as joinJob, statesOf, type Client } from '../../gateway/support/client';
import { tokenOf } from '../../gateway/support/admission/tokens';
import { startComfyUI, type ComfyUIStandIn } from '../../support/comfyui/stand-in';
import type { ComfyUIVersion } from '../../support/comfyui/versions';
import { nodeError, rejected, steps, twoOutputs } from '../../support/comfyui/workflows';
import { endOfService, startService, type Service } from '../../support/programs/service';
import { until } from '../../support/until';
import { loginProxy } from './login-proxy';

const versions: readonly ComfyUIVersion[] = ['0.3.30', '0.3.64', '0.33.0'];

interface Place {
  readonly comfy: ComfyUIStandIn;
  readonly directory: string;
  /** Starts the service on this place’s ComfyUI and directory. */
  readonly start: (settings?: Readonly<Record<string, string>>) => Promise<Service>;
}

/** Runs a scenario with a ComfyUI and a directory of its own; whatever was started ends with it. */
async function inPlace(version: ComfyUIVersion, scenario: (place: Place) => Promise<void>): Promise<void> {
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

const job = (workflow: object, more: object = {}) => ({
  body: { workflow, type: 'image_generation', userId: 'ada', ...more },
});
const stateIn = ({ json }: Answer): JobState => json as unknown as JobState;

/** Resolves with the job once it fits, as `GET /jobs/:promptId` tells it. */
async function jobWhere({ url }: Service, promptId: string, fits: (state: JobState) => boolean): Promise<JobState> {
  let state: JobState | undefined;
  await until(async () => {
    const answer = await asking({ url })('GET', `/jobs/${promptId}`);
    expect(answer.status).toBe(200);
    state = stateIn(answer);
    return fits(state);
  });
  return state!;
}

const isEnd = (state: Pick<JobState, 'status'> | undefined): boolean =>
  state?.status === 'completed' || state?.status === 'failed';
const long = (count: number) => steps({ steps: count, secondsPerStep: 0.1 });

/** Submits a workflow; resolves with the job’s id. */
async function submitted({ url }: Service, workflow: object): Promise<string> {
  const answer = await asking({ url })('POST', '/jobs', job(workflow));
  expect(answer.status).toBe(202);
  return stateIn(answer).promptId;
}

async function joined(service: Service, promptId: string): Promise<Client> {
  const socket = await connected(service);
  expect(await joinJob(socket, promptId)).toMatchObject({ ok: true });
  return socket;
}

test.concurrent.each(versions)('%s: a job’s life, over HTTP and Socket.IO alone', (version) =>
  inPlace(version, async ({ start, comfy }) => {
    const service = await start();
    const ask = asking(service);
    await until(() => comfy.sockets() === 1);

    comfy.faults.mostSteps = 3;
    const posted = await ask('POST', '/jobs', job(twoOutputs(), { characterId: 'c', metadata: { order: 7 } }));
    expect(posted).toMatchObject({ status: 202, json: { userId: 'ada', characterId: 'c', metadata: { order: 7 } } });
    const { promptId } = stateIn(posted);
    expect(posted.headers['location']).toBe(`/jobs/${promptId}`);
    const socket = await connected(service);
    const states = statesOf(socket);
    const previews: unknown[] = [];
    socket.on('job:preview', (head, bytes) => previews.push({ ...head, first: bytes[0] }));
    expect(await joinJob(socket, promptId)).toMatchObject({ ok: true, job: { promptId } });
    comfy.faults.mostSteps = 10;
    await until(() => previews.length > 0 && states.some((state) => state.progress > 0));
    comfy.faults.mostSteps = Infinity;
    await until(() => states.at(-1)?.status === 'completed');
    const progress = states.map((state) => state.progress);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(previews[0]).toEqual({ promptId, nodeId: '2', mimeType: 'image/jpeg', first: 0xff });

    const late = await connected(service);
    const told = await joinJob(late, promptId);
    expect(told).toMatchObject({
      ok: true,
      job: { promptId, status: 'completed', progress: 100, outputs: [{ nodeId: '4' }, { nodeId: '6' }] },
    });
    expect(stateIn(await ask('GET', `/jobs/${promptId}`))).toEqual(told.ok && told.job);
    for (const n of [0, 1]) {
      const file = await fetch(`${service.url}/jobs/${promptId}/outputs/${n}`);
      expect([file.status, file.headers.get('content-type')]).toEqual([200, 'image/png']);
      expect(
        Buffer.from(await file.arrayBuffer())
          .subarray(1, 4)
          .toString(),
      ).toBe('PNG');
    }
    expect((await ask('GET', `/jobs/${promptId}/outputs/2`)).status).toBe(404);

    const refused = await ask('POST', '/jobs', job(rejected()));
    expect(refused).toMatchObject({ status: 422, headers: { 'content-type': /problem\+json/ } });
    expect((refused.json['nodeErrors'] as { nodeId: string }[]).map(({ nodeId }) => nodeId)).toEqual(
      expect.arrayContaining(['1', '5']),
    );
    expect(await ask('GET', String(refused.headers['location']))).toMatchObject({
      status: 200,
      json: { status: 'failed', failure: { kind: 'rejected' } },
    });

    const broken = await submitted(service, nodeError());
    expect(await jobWhere(service, broken, isEnd)).toMatchObject({ failure: { kind: 'node_error', nodeId: '2' } });

    const [running, waiting] = [await submitted(service, long(2_000)), await submitted(service, long(2))];
    await jobWhere(service, running, (state) => state.progress > 0);
    expect((await ask('POST', `/jobs/${running}/cancel`)).status).toBeLessThan(300);
    expect(await jobWhere(service, running, isEnd)).toMatchObject({ failure: { kind: 'cancelled' } });
    expect(await jobWhere(service, waiting, isEnd)).toMatchObject({ status: 'completed' });
    expect((await ask('GET', '/jobs?status=failed')).json['jobs']).toHaveLength(2);
    expect((await ask('GET', '/jobs?status=cancelled')).json).toMatchObject({
      jobs: [{ promptId: running, status: 'failed' }],
      totals: { queued: 0, processing: 0, completed: 2, failed: 2, cancelled: 1 },
    });
    expect(comfy.executions.size).toBe(4);
    for (const each of [socket, late]) each.disconnect();
  }),
);

test.concurrent.each(versions)(
  '%s: killed while jobs run and wait, and started again: they go on, and end as they end',
  (version) =>
    inPlace(version, async ({ start, comfy }) => {
      const first = await start();
      await until(() => comfy.sockets() === 1);
      // It is still at work when the service is back, however long that takes.
      comfy.faults.mostSteps = 10;
      const [running, waiting] = [await submitted(first, long(60)), await submitted(first, twoOutputs())];
      const before = await jobWhere(first, running, (state) => state.progress > 3);
      await first.kill();
      await until(() => comfy.sockets() === 0);

      const second = await start();
      const socket = await joined(second, running);
      const states = statesOf(socket);
      // Its frames came again, and not only its end: over the session under which the job was posted, beside its own.
      await until(() => comfy.sockets() === 2);
      comfy.faults.mostSteps = 40;
      await until(() => states.some(({ via, node }) => via === 'websocket' && Number(node?.value) > 10));
      comfy.faults.mostSteps = Infinity;
      await until(() => isEnd(states.at(-1)));
      expect(states.at(-1)).toMatchObject({ status: 'completed', progress: 100, outputs: [{ nodeId: '4' }] });
      expect(states[0]!.progress).toBeGreaterThanOrEqual(before.progress);
      expect(states[0]!.epoch).toBeGreaterThan(before.epoch);
      expect(await jobWhere(second, waiting, isEnd)).toMatchObject({
        status: 'completed',
        outputs: [{ nodeId: '4' }, { nodeId: '6' }],
      });
      socket.disconnect();
      expect(comfy.executions.size).toBe(2);
    }),
);

test.concurrent.each(versions)('%s: killed, and started again when all is over: each job ended as it did', (version) =>
  inPlace(version, async ({ start, comfy }) => {
    const first = await start();
    await until(() => comfy.sockets() === 1);
    const ids = [
      await submitted(first, long(20)),
      await submitted(first, nodeError()),
      await submitted(first, long(200)),
    ];
    await jobWhere(first, ids[0]!, (state) => state.progress > 0);
    await first.kill();
    await until(() => comfy.executions.size === 3);
    await fetch(`${comfy.url}/interrupt`, { method: 'POST', body: '{}' });
    const idle = async () => (await (await fetch(`${comfy.url}/prompt`)).text()).includes('"queue_remaining": 0');
    await until(idle);

    const second = await start();
    const ends = await Promise.all(ids.map((id) => jobWhere(second, id, isEnd)));
    expect(ends).toMatchObject([
      { status: 'completed', progress: 100, outputs: [{ nodeId: '4', kind: 'images' }] },
      { status: 'failed', failure: { kind: 'node_error', nodeId: '2' } },
      { status: 'failed', failure: { kind: 'interrupted', nodeId: '2' } },
    ]);
    expect(comfy.executions.size).toBe(3);
  }),
);

test.concurrent('SIGTERM while a job runs: drained within ten seconds, exit code 0, and the job goes on later', () =>
  inPlace('0.33.0', async ({ start, comfy }) => {
    const first = await start();
    await until(() => comfy.sockets() === 1);
    comfy.faults.mostSteps = 20;
    const promptId = await submitted(first, long(60));
    await jobWhere(first, promptId, (state) => state.progress > 5);
    const socket = await joined(first, promptId);
    const gone = heard(socket, 'disconnect');
    // What is not drained after ten seconds ends with another code.
    expect((await first.terminate()).code).toBe(0);
    await gone;
    await until(() => comfy.sockets() === 0);
    comfy.faults.mostSteps = Infinity;

    const second = await start();
    expect(await jobWhere(second, promptId, isEnd)).toMatchObject({ status: 'completed', outputs: [{ nodeId: '4' }] });
    expect((await second.terminate()).code).toBe(0);
  }),
);

test.concurrent('SIGTERM while ComfyUI is away and a workflow could not be posted: in time all the same', () =>
  inPlace('0.33.0', async ({ start, comfy }) => {
    const service = await start();
    await until(() => comfy.sockets() === 1);
    await comfy.kill();
    const posting = asking(service)('POST', '/jobs', job(long(2))).catch(() => undefined);
    await until(async () => ((await asking(service)('GET', '/jobs')).json['jobs'] as unknown[]).length === 1);
    expect((await service.terminate()).code).toBe(0);
    await posting;
  }),
);

test.concurrent('without COMFYUI_URL it does not start, and says what is missing', async () => {
  const { code, output } = await endOfService({});
  expect([code, output]).toEqual([1, expect.stringContaining('COMFYUI_URL')]);
});

test.concurrent('[R13] no login, no secret and no token is ever written, whatever goes wrong', () =>
  inPlace('0.33.0', async ({ start, comfy }) => {
    const proxy = await loginProxy(comfy.url);
    const secret = 'the-secret-of-the-service-0123456789abcdef';
    const service = await start({ COMFYUI_URL: proxy.loginUrl, JWT_SECRET: secret, LOG_LEVEL: 'trace' });
    const token = await tokenOf({ sub: 'ada' }, { secret: new TextEncoder().encode(secret) });
    const forged = await tokenOf({ sub: 'ada' });
    const ask = asking(service);
    await until(() => comfy.sockets() === 1);
    expect((await ask('POST', '/jobs', { ...job(long(2)), token: forged })).status).toBe(401);
    await expect(connected(service, forged)).rejects.toThrow();

    comfy.faults.mostSteps = 10;
    const { json } = await ask('POST', '/jobs', { ...job(long(80)), token });
    const socket = await connected(service, token);
    expect(await joinJob(socket, json['promptId'])).toMatchObject({ ok: true });
    expect(JSON.stringify(json)).not.toMatch(new RegExp(proxy.secrets.join('|')));
    comfy.faults.status = { httpStatus: 502, body: '<html>' };
    comfy.dropSockets('abrupt');
    await until(() => service.output().includes('"where":"look"'));
    comfy.faults.status = undefined;
    await proxy.close();
    await until(() => service.output().includes('ECONNREFUSED'));
    socket.disconnect();
    expect((await service.terminate()).code).toBe(0);
    for (const hidden of [...proxy.secrets, secret, token, forged]) expect(service.output()).not.toContain(hidden);
  }),
);
