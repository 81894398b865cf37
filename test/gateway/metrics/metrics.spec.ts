import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { prometheusMetrics } from '../../../gateway/metrics';
import { processMetrics } from '../../../gateway/metrics/counts/process-metrics';
import type { FailureKind, JobState } from '../../../streams/job/job-state';
import { aState } from '../../sinks/a-state';
import { nodeError, outOfMemory, rejected, steps } from '../../support/comfyui/workflows';
import { eventually, until } from '../../support/until';
import { testAuth, tokenOf } from '../support/admission/tokens';
import { connected, join as joinRoom, statesOf } from '../support/sockets/client';
import { asking, type Answer } from '../support/http/asking';
import { readEvents } from '../support/http/event-reader';
import { runningGateway, type RunningGateway } from '../support/running-gateway';
import { settled } from '../support/settled';
import { expositionOf, type Exposition } from './exposition';

const root = join(__dirname, '../../..');

describe('a gateway that was used', () => {
  let gateway: RunningGateway;
  let service: string;
  beforeEach(async () => {
    service = await tokenOf({ role: 'service' });
  });
  afterEach(() => gateway.close());

  const ask = (method: string, path: string, body?: unknown): Promise<Answer> =>
    asking(gateway)(method, path, { token: service, ...(body !== undefined && { body }) });
  const metrics = async (): Promise<Exposition> => expositionOf((await ask('GET', '/metrics')).text);
  const submit = async (workflow: object, more: object = {}): Promise<string> => {
    const { json } = await ask('POST', '/jobs', { workflow, type: 'image_generation', userId: 'ada', ...more });
    return String(json['promptId']);
  };

  test('counts its jobs by how they end, its requests and its readers', async () => {
    gateway = await runningGateway({ auth: testAuth });
    const socket = await connected(gateway, service);
    const states = statesOf(socket);

    gateway.comfy.faults.mostSteps = 5;
    const good = await submit(steps({ steps: 40 }), { type: 'of-my-own' });
    await joinRoom(socket, good);
    const events = await readEvents(gateway, good, { Authorization: `Bearer ${service}` });
    await until(() => states.length > 0);
    const during = await metrics();
    expect(during.sum('jobstream_jobs', { type: 'other', transport: 'websocket' })).toBe(1);
    expect(during.sum('jobstream_connections', { kind: 'socket_io' })).toBe(1);
    expect(during.sum('jobstream_connections', { kind: 'event_stream' })).toBe(1);
    const others = [
      await submit(nodeError()),
      await submit(outOfMemory()),
      await submit(rejected()),
      await submit(steps()),
    ];
    await ask('POST', `/jobs/${others[3]}/cancel`);
    await settled(gateway.pipeline, others[3]!);
    // Whether its progress was seen counts of a job that ran for two seconds, and of none of those that waited for it.
    const { executionStartedAt = 0 } = (await gateway.pipeline.get(good))!;
    await until(() => Date.now() > executionStartedAt + 2_000);
    gateway.comfy.faults.mostSteps = Infinity;
    await events.end;
    for (const promptId of [good, ...others]) await settled(gateway.pipeline, promptId);
    socket.disconnect();

    await eventually(async () => {
      const after = await metrics();
      const ends = (status: string, failure: string, type = 'image_generation'): number =>
        after.sum('jobstream_jobs_settled_total', { type, status, failure });
      expect([
        ...[ends('completed', 'none', 'other'), ends('failed', 'node_error'), ends('failed', 'out_of_memory')],
        ...[ends('failed', 'rejected'), ends('failed', 'cancelled')],
      ]).toEqual([1, 1, 1, 1, 1]);
      expect(after.sum('jobstream_jobs_submitted_total')).toBe(5);
      expect(after.sum('jobstream_jobs')).toBe(0);
      expect(after.sum('jobstream_jobs_progress_total', { visible: 'true' })).toBe(1);
      expect(after.sum('jobstream_jobs_progress_total', { visible: 'false' })).toBe(0);
      expect(after.sum('jobstream_job_running_seconds_count', { type: 'other' })).toBe(1);
      expect(after.sum('jobstream_comfyui_requests_total', { endpoint: 'POST /prompt', outcome: 'answered' })).toBe(5);
      expect(after.sum('jobstream_comfyui_requests_total', { endpoint: 'other' })).toBe(0);
      expect(after.sum('jobstream_connections')).toBe(0);
      expect(after.sum('jobstream_frame_to_socket_seconds_count')).toBeGreaterThan(0);
      expect(after.sum('jobstream_store_up')).toBe(1);
      expect(after.sum('jobstream_store_backlog_jobs')).toBe(0);
      expect(after.sum('jobstream_comfyui_healthy', { server: 'server-1' })).toBe(1);
    });
  });

  test('counts the event streams and sockets whose token ends, alike', async () => {
    gateway = await runningGateway({ auth: testAuth });
    const { promptId } = await gateway.pipeline.open({ type: 'x', userId: 'ada', reported: {} });
    const brief = await tokenOf({ sub: 'ada' }, { expires: Math.floor(Date.now() / 1000) + 5 });
    const [socket, events] = await Promise.all([
      connected(gateway, brief),
      readEvents(gateway, promptId, { Authorization: `Bearer ${brief}` }),
    ]);
    await events.end;
    await eventually(async () => {
      const after = await metrics();
      const cuts = (kind: string) => after.sum('jobstream_connection_cuts_total', { kind, reason: 'token_expired' });
      expect([cuts('event_stream'), cuts('socket_io')]).toEqual([1, 1]);
    });
    socket.disconnect();
  });

  test('counts sockets that are cut, frames that cannot be read, and requests that get no answer', async () => {
    gateway = await runningGateway({ auth: testAuth });
    await eventually(async () => expect((await metrics()).sum('jobstream_comfyui_sockets')).toBe(1));
    gateway.comfy.dropSockets('abrupt');
    await eventually(async () => {
      const after = await metrics();
      expect(after.sum('jobstream_comfyui_socket_ends_total', { reason: 'cut_off', server: 'server-1' })).toBe(1);
      expect(after.sum('jobstream_comfyui_reconnects_total')).toBe(1);
      expect(after.sum('jobstream_comfyui_socket_gap_seconds_count')).toBe(1);
      expect(after.sum('jobstream_comfyui_sockets')).toBe(1);
    });
    gateway.comfy.faults.malformedFrames = true;
    gateway.comfy.faults.loseAnswer = 'before';
    gateway.comfy.faults.loseAnswerTimes = 1;
    await settled(gateway.pipeline, await submit(steps()));
    await eventually(async () => {
      const after = await metrics();
      expect(after.sum('jobstream_comfyui_bad_frames_total')).toBeGreaterThan(5);
      expect(after.sum('jobstream_comfyui_frames_total')).toBeGreaterThan(
        after.sum('jobstream_comfyui_bad_frames_total'),
      );
      expect(after.sum('jobstream_comfyui_requests_total', { endpoint: 'POST /prompt', outcome: 'unanswered' })).toBe(
        1,
      );
      expect(after.sum('jobstream_retries_total', { operation: 'post' })).toBe(1);
      expect(after.sum('jobstream_retried_total', { operation: 'post', outcome: 'recovered' })).toBe(1);
      expect(after.sum('jobstream_retried_total', { outcome: 'exhausted' })).toBe(0);
    });
  });

  test('tells its metrics to services alone', async () => {
    gateway = await runningGateway({ auth: testAuth });
    const asked = asking(gateway);
    expect((await asked('GET', '/metrics')).status).toBe(401);
    expect((await asked('GET', '/metrics', { token: await tokenOf({ sub: 'ada' }) })).status).toBe(403);
    const { status, headers } = await asked('GET', '/metrics', { token: service });
    expect([status, headers['content-type']]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
    expect((await asked('POST', '/metrics', { token: service })).status).toBe(405);
  });
});

test('no label has more than 100 values after 10,000 jobs of as many users, types and servers', async () => {
  const { registry, telemetry } = prometheusMetrics();
  const kinds: readonly FailureKind[] = ['node_error', 'lost', 'out_of_memory', 'unreachable', 'timed_out'];
  for (let n = 0; n < 10_000; n++) {
    const server = `server ${n}`;
    const queued = aState({
      promptId: `job ${n}`,
      type: `type ${n}`,
      userId: `user ${n}`,
      serverUrl: `http://10.0.0.1:${n}`,
    });
    const ended: JobState = {
      ...queued,
      ...(n % 2 === 0
        ? { status: 'completed', progress: 100 }
        : { status: 'failed', failure: { kind: kinds[n % 5]!, message: `why ${n}`, retryable: true } }),
      phase: 'settled',
      executionStartedAt: queued.startedAt + n,
      finishedAt: queued.startedAt + 2 * n,
    };
    for (const state of [queued, ended]) telemetry({ tag: 'state', state });
    telemetry({ tag: 'requested', server, method: 'GET', path: `/history/${n}`, outcome: 'answered', ms: n });
    telemetry({ tag: 'requested', server, method: 'GET', path: `/custom/${n}`, outcome: 'unanswered', ms: n });
    telemetry({ tag: 'looked', server, jobs: 1, outcome: 'ok', ms: n });
    telemetry({ tag: 'socketOpened', server, gapMs: n });
    telemetry({ tag: 'socketEnded', server, end: 'cut_off', wasOpen: true });
    telemetry({ tag: 'frame', server });
    telemetry({ tag: 'badFrame', server });
  }
  const { samples, sum } = expositionOf(await registry.metrics());
  const values = new Map<string, Set<string>>();
  for (const { name, labels } of samples)
    for (const [label, value] of Object.entries(labels)) {
      const key = `${name} ${label}`;
      values.set(key, (values.get(key) ?? new Set()).add(value));
    }
  expect(values.size).toBeGreaterThan(20);
  expect([...values].filter(([, { size }]) => size > 100)).toEqual([]);
  expect(sum('jobstream_jobs_settled_total', { type: 'other' })).toBe(10_000);
  expect(sum('jobstream_comfyui_frames_total')).toBe(10_000);
  expect(JSON.stringify(samples)).not.toMatch(/job \d|user \d|type \d|10\.0\.0\.1|history\/\d/);
});

test('its page names every metric with its type and labels, and no other', () => {
  const registry = new Registry();
  prometheusMetrics({ registry });
  processMetrics(registry, '0.0.0');
  const there = (registry.getMetricsAsArray() as unknown as readonly Described[])
    .filter(({ name }) => name.startsWith('jobstream_'))
    .map(({ name, type, labelNames, constructor }) => [name, type ?? constructor.name.toLowerCase(), labelNames]);
  registry.clear();
  const page = readFileSync(join(root, 'docs/interfaces/metrics.md'), 'utf8');
  const told = [...page.matchAll(/^\| `(jobstream_\w+)` \| (\w+) \|([^|]*)\| .+ \|$/gm)].map(
    ([, name, type, labels = '']) => [name, type, [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label)],
  );
  expect(told.sort()).toEqual([...there].sort());
});

interface Described {
  readonly name: string;
  readonly type?: string;
  readonly labelNames: readonly string[];
}

test.each([
  [{ registry: {} }, 'registry must be a Registry of prom-client'],
  [{ registry: null }, 'registry must be a Registry of prom-client'],
  [{ types: 'upscale' }, 'types must be a list of job types'],
])('[R18] %j is refused by name', (options, complaint) => {
  expect(() => prometheusMetrics(options as object)).toThrow(new TypeError(complaint));
});
