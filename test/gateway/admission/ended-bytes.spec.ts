import { partlyRejected, rejected, steps } from '../../support/comfyui/workflows';
import { testAuth, tokenOf } from '../support/admission/tokens';
import { asking } from '../support/http/asking';
import { runningGateway, type RunningGateway } from '../support/running-gateway';
import { settled } from '../support/settled';

const metadata = { note: 'x'.repeat(10_000) };
const job = { type: 'image_generation', userId: 'ada', metadata };
let gateway: RunningGateway;
let ask: ReturnType<typeof asking>;
let ada: string;
beforeEach(async () => {
  gateway = await runningGateway({ auth: testAuth, rates: { endedBytesPerUser: 25_000 } });
  ask = asking(gateway);
  ada = await tokenOf({ sub: 'ada' });
});
afterEach(() => gateway.close());

const submitted = async (workflow: object, token = ada, userId = 'ada') =>
  ask('POST', '/jobs', { token, body: { ...job, userId, workflow } });

test('[R16] whose ended jobs have left so many bytes submits no more until the store forgets them; others do', async () => {
  for (let n = 0; n < 3; n += 1) expect((await submitted(rejected())).status).toBe(422);
  const over = await submitted(rejected());
  expect(over).toMatchObject({ status: 429, json: { type: 'urn:comfyui-jobstream:problem:too-many-requests' } });
  const waitS = Number(over.headers['retry-after']);
  expect(waitS).toBeGreaterThan(7_000);
  expect(waitS).toBeLessThanOrEqual(7_200);
  expect((await ask('GET', '/jobs', { token: ada })).json['totals']).toMatchObject({ failed: 3 });
  expect((await submitted(rejected(), await tokenOf({ sub: 'bob' }), 'bob')).status).toBe(422);
  expect((await submitted(rejected(), await tokenOf({ role: 'service' }))).status).toBe(422);
});

test('[R16] a key keeps its job for a day, and so counts twelve times as much, once however often it is used', async () => {
  const body = { ...job, workflow: steps({ steps: 1_000 }), metadata: { note: 'x'.repeat(1_000) } };
  const under = (key: string) => ask('POST', '/jobs', { token: ada, body, headers: { 'Idempotency-Key': key } });
  // Some 1.6 KB each, of which none has ended.
  for (let n = 0; n < 3; n += 1) expect((await under('one')).status).toBe(202);
  expect((await under('two')).status).toBe(202);
  expect((await under('three')).status).toBe(429);
});

test('[R16] jobs that run count once they have ended, by all that they leave', async () => {
  const [first, second, third] = await Promise.all([steps(), partlyRejected(), steps()].map((each) => submitted(each)));
  for (const { status, json } of [first!, second!, third!]) {
    expect(status).toBe(202);
    await settled(gateway.pipeline, String(json['promptId']));
  }
  expect((await submitted(steps())).status).toBe(429);
});
