import { fuzzedHttp } from '../../../bench/fuzz/fuzzed-http';
import { asking } from '../support/http/asking';
import { runningGateway, type RunningGateway } from '../support/running-gateway';
import { testAuth, tokenOf } from '../support/admission/tokens';

let gateway: RunningGateway;
beforeAll(async () => {
  gateway = await runningGateway({ auth: testAuth, comfyUI: { timeScale: 0.02 } });
});
afterAll(() => gateway.close());

test.each([1, 20261124])(
  '100 requests made from the OpenAPI document, seed %d: no 5xx, nothing told that must not be, all as documented',
  async (seed) => {
    const fuzz = await fuzzedHttp(gateway.url, seed);
    const statuses = await fuzz.run(100);
    expect(Object.values(statuses).reduce((sum, times) => sum + times, 0)).toBe(100);
    for (const status of [200, 400, 401, 404]) expect(statuses[status]).toBeGreaterThan(0);
    expect(await asking(gateway)('GET', '/readyz')).toMatchObject({ status: 200 });
  },
);

test.each([
  ['a body that is not compressed as it says', '{}', { 'Content-Encoding': 'deflate' }],
  ['a body nested deeper than a stack', `{"a":${'['.repeat(9000)}${']'.repeat(9000)}}`, {}],
])('%s is 400', async (_what, body, headers) => {
  const Authorization = `Bearer ${await tokenOf({ sub: 'ada' })}`;
  const answer = await asking(gateway)('POST', '/jobs', { body, headers: { Authorization, ...headers } });
  expect(answer).toMatchObject({ status: 400, json: { type: 'urn:comfyui-jobstream:problem:bad-request' } });
});
