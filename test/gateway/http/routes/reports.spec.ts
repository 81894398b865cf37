import { randomUUID } from 'node:crypto';
import { bounds } from '../../../../streams/bounds';
import { watchFor } from '../../../support/jest/canary';
import { steps } from '../../../support/comfyui/workflows';
import { eventually } from '../../../support/until';
import { inOneSecond } from '../../support/admission/one-second';
import { testAuth, tokenOf } from '../../support/admission/tokens';
import { asking, type Answer } from '../../support/http/asking';
import { undocumented } from '../../support/http/documented';
import { connected, join, statesOf } from '../../support/sockets/client';
import { runningGateway, type RunningGateway } from '../../support/running-gateway';

let gateway: RunningGateway;
let ask: ReturnType<typeof asking>;
let ada: string, bob: string, service: string;
beforeAll(async () => {
  gateway = await runningGateway({ auth: testAuth });
  const asked = asking(gateway);
  ask = async (method, path, how) => {
    const answer = await asked(method, path, how);
    expect(undocumented(method, path, answer)).toEqual([]);
    return answer;
  };
  [ada, bob, service] = await Promise.all([
    tokenOf({ sub: 'ada' }),
    tokenOf({ sub: 'bob' }),
    tokenOf({ role: 'service' }),
  ]);
});
afterAll(() => gateway.close());

interface Opened {
  readonly promptId: string;
  /** As the program has it that runs the job. */
  readonly report: (body: object) => Promise<Answer>;
  readonly token: string;
  readonly answer: Answer;
}

async function opened(more: object = {}, headers: Record<string, string> = {}): Promise<Opened> {
  const body = { type: 'lora_training', reported: { steps: 1500 }, ...more };
  const answer = await ask('POST', '/jobs', { body, token: ada, headers });
  expect(answer.status).toBe(202);
  const { promptId, report } = answer.json as { promptId: string; report: { url: string; token: string } };
  // From here on nothing tells it again.
  const token = watchFor(report.token);
  expect(report.url).toBe(`/jobs/${promptId}/report`);
  return { promptId, token, answer, report: (told) => ask('POST', report.url, { body: told, token }) };
}

test('a job that reports itself is opened, told of and ended by its own token', async () => {
  const { promptId, report, answer } = await opened({ metadata: { run: 7 } });
  expect(answer.json).toMatchObject({ status: 'queued', server: 'reported', userId: 'ada', via: 'report' });
  const socket = await connected(gateway, ada);
  const states = statesOf(socket);
  await join(socket, promptId);

  const first = await report({ count: 1, value: 12, max: 1500, stage: 'training', metrics: { loss: 0.4 } });
  expect(first).toMatchObject({
    status: 200,
    json: { status: 'processing', stage: 'training', metrics: { loss: 0.4 } },
  });
  const again = await report({ count: 1, value: 90, max: 1500, message: 'late' });
  expect(again).toMatchObject({ status: 200, json: { node: { value: 12 } } });
  expect(again.json).not.toHaveProperty('message');
  const url = 'https://files.example/ada.safetensors?X-Amz-Signature=0123456789abcdef0123';
  const last = await report({ count: 2, outputs: ['ada.safetensors', url] });

  expect(last.json).toMatchObject({ status: 'completed', outputs: [{ filename: 'ada.safetensors' }, { url }] });
  await eventually(() => expect(states.at(-1)).toMatchObject({ promptId, status: 'completed' }));
  const { points } = (await ask('GET', `/jobs/${promptId}/curves`, { token: ada })).json as { points: unknown[] };
  expect(points).toEqual([{ at: expect.any(Number) as number, value: 12, metrics: { loss: 0.4 } }]);
  for (const n of [0, 1]) {
    const path = `/jobs/${promptId}/outputs/${n}`;
    const unknown = { status: 404, json: { type: 'urn:comfyui-jobstream:problem:unknown-output' } };
    expect(await ask('GET', path, { token: ada })).toMatchObject(unknown);
    expect(await ask('POST', `${path}/url`, { token: ada })).toMatchObject(unknown);
  }
  socket.close();
});

test('its token is good for nothing else, and no other is good for it', async () => {
  const [mine, other] = [await opened(), await opened()];
  const about = `/jobs/${mine.promptId}`;
  for (const [method, path] of [
    ['GET', '/jobs'],
    ['GET', '/me'],
    ['GET', about],
    ['GET', `${about}/curves`],
    ['POST', `${about}/cancel`],
    ['POST', `/jobs/${other.promptId}/report`],
    ['POST', `/jobs/${randomUUID()}/report`],
  ] as const)
    expect(
      (await ask(method, path, { token: mine.token, ...(method === 'POST' && { body: { count: 1 } }) })).status,
    ).toBe(401);
  expect((await ask('POST', `${about}/report`, { body: { count: 1 } })).status).toBe(401);
  expect((await ask('POST', `${about}/report`, { body: { count: 1 }, token: bob })).status).toBe(404);
  await expect(connected(gateway, mine.token)).rejects.toThrow();
  // Whoever may see the job may tell of it: its user, and services.
  for (const [n, token] of [ada, service].entries())
    expect((await ask('POST', `${about}/report`, { body: { count: n + 1 }, token })).json).toMatchObject({
      reported: { count: n + 1 },
    });
});

test('a program whose token is not good is told why, and not that it is forged', async () => {
  const [mine, other] = [await opened(), await opened({ timeoutMs: 1_000 })];
  const refused = async (path: string, token: string) =>
    (await ask('POST', path, { body: { count: 1 }, token })).json as { detail?: string };
  for (const promptId of [other.promptId, randomUUID()])
    expect(await refused(`/jobs/${promptId}/report`, mine.token)).toMatchObject({
      status: 401,
      detail: 'The token is for the reports of another job.',
    });
  await eventually(async () =>
    expect(await refused(`/jobs/${other.promptId}/report`, other.token)).toMatchObject({
      status: 401,
      detail: 'The token for reports has expired.',
    }),
  );
  const forged = await tokenOf({ sub: 'ada' }, { secret: new Uint8Array(32) });
  expect(await refused(`/jobs/${mine.promptId}/report`, forged)).toMatchObject({
    detail: 'The token’s signature is wrong.',
  });
});

test('a cancel is told in the answer to the next report', async () => {
  const { promptId, report } = await opened();
  await report({ count: 1 });
  expect((await ask('POST', `/jobs/${promptId}/cancel`, { token: ada })).status).toBe(200);
  expect(await report({ count: 2 })).toMatchObject({
    status: 200,
    json: { status: 'failed', failure: { kind: 'cancelled' } },
  });
});

test('[R16] what is past a bound, or not known, is refused by name', async () => {
  const { report } = await opened();
  const fields = async (answer: Promise<Answer>): Promise<unknown> => {
    const { status, json } = await answer;
    return [status, (json['errors'] as { field: string }[]).map(({ field }) => field)];
  };
  expect(await fields(report({ count: 1, step: 5 }))).toEqual([400, ['step']]);
  expect(await fields(report({ count: 1, value: 5 }))).toEqual([400, ['max']]);
  expect(await fields(report({ count: 0, metrics: { loss: 'x' } }))).toEqual([400, ['count', 'metrics']]);
  const refusedOpening = (more: object): Promise<Answer> =>
    ask('POST', '/jobs', { token: ada, body: { type: 't', reported: {}, ...more } });
  expect(await fields(refusedOpening({ workflow: steps() }))).toEqual([400, ['workflow']]);
  expect(await fields(refusedOpening({ server: 'server-1' }))).toEqual([400, ['server']]);
  expect(await fields(refusedOpening({ reported: { silentMs: 1 } }))).toEqual([400, ['reported']]);
});

test('[R16] of one job so many reports a second are taken, of another still', async () => {
  const [busy, calm] = [await opened(), await opened()];
  const many = bounds.reportsPerSecond + 5;
  const [other, ...answers] = await inOneSecond(async () => {
    const reports = await Promise.all(Array.from({ length: many }, (_, n) => busy.report({ count: n + 1 })));
    return [await calm.report({ count: 1 }), ...reports];
  });
  const refused = answers.filter(({ status }) => status === 429);
  expect(refused).toHaveLength(5);
  expect(refused[0]).toMatchObject({ headers: { 'retry-after': '1' } });
  expect(other.status).toBe(200);
  // Nor does a service of the user's name use up what the job may report.
  const token = await tokenOf({ sub: 'ada', role: 'service' });
  const asService = (n: number) => ask('POST', `/jobs/${calm.promptId}/report`, { body: { count: n + 2 }, token });
  const [own, ...served] = await inOneSecond(async () => {
    const reports = await Promise.all(Array.from({ length: many }, (_, n) => asService(n)));
    return [await calm.report({ count: 99 }), ...reports];
  });
  expect(served.some(({ status }) => status === 429)).toBe(true);
  expect(own.status).toBe(200);
});

test('[R13] what a program says is shown without secrets and paths', async () => {
  const { report } = await opened();
  const { json } = await report({
    count: 1,
    stage: 'reading /home/ada/data/7.png',
    message: 'with hf_0123456789abcdefABCD',
  });
  expect(json).toMatchObject({ stage: 'reading 7.png', message: 'with …' });
  const failed = await report({
    count: 2,
    failure: { message: 'Traceback (most recent call last): x', kind: 'out_of_memory' },
  });
  expect(failed.json).toMatchObject({ failure: { kind: 'out_of_memory', message: '' } });
});

test('a job that ComfyUI runs takes no reports', async () => {
  const posted = await ask('POST', '/jobs', { body: { type: 'image_generation', workflow: steps() }, token: ada });
  const path = `/jobs/${String(posted.json['promptId'])}/report`;
  expect(await ask('POST', path, { body: { count: 1 }, token: ada })).toMatchObject({
    status: 409,
    json: { type: 'urn:comfyui-jobstream:problem:not-reported' },
  });
});

test('opened twice under one key it is one job, which both may tell of', async () => {
  const key = { 'Idempotency-Key': randomUUID() };
  const body = { type: 'lora_training', reported: {} };
  const [a, b] = [
    await ask('POST', '/jobs', { body, token: ada, headers: key }),
    await ask('POST', '/jobs', { body, token: ada, headers: key }),
  ];
  expect(b.json['promptId']).toBe(a.json['promptId']);
  expect(b.json).toHaveProperty('report.token');
});
