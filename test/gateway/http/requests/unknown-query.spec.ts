import { asking } from '../../support/http/asking';
import { runningGateway, type RunningGateway } from '../../support/running-gateway';

let gateway: RunningGateway;
beforeAll(async () => {
  gateway = await runningGateway();
});
afterAll(() => gateway.close());

it.each([
  ['POST', '/jobs'],
  ['GET', '/jobs/no-such-job'],
  ['PUT', '/jobs/no-such-job'],
  ['POST', '/jobs/no-such-job/cancel'],
  ['GET', '/jobs/no-such-job/events'],
  ['GET', '/jobs/no-such-job/nodes'],
  ['POST', '/jobs/no-such-job/outputs/0/url'],
  ['POST', '/jobs/no-such-job/report'],
  ['GET', '/jobs/no-such-job/curves'],
  ['GET', '/me'],
])('[R18] %s %s refuses by name what its query says, whether or not there is such a job', async (method, path) => {
  const { status, json } = await asking(gateway)(method, `${path}?fields=status&__proto__=1`);
  expect(status).toBe(400);
  expect(json['errors']).toEqual([
    { field: 'fields', message: 'is no parameter: there are none here' },
    { field: '__proto__', message: 'is no parameter: there are none here' },
  ]);
});

it.each([
  ['GET', '/jobs', 'statu', 'is not known; did you mean status?'],
  ['GET', '/jobs', 'nobody', 'is not known'],
  ['POST', '/inputs', 'file_name', 'is not known; did you mean filename?'],
])('[R18] %s %s?%s= is refused by name, with the name that was meant', async (method, path, name, message) => {
  const { status, json } = await asking(gateway)(method, `${path}?${name}=x`);
  expect(status).toBe(400);
  expect(json['errors']).toEqual([{ field: name, message }]);
});

it('takes a request without any, and one whose query is empty', async () => {
  const ask = asking(gateway);
  expect((await ask('GET', '/me')).status).toBe(200);
  expect((await ask('GET', '/me?')).status).toBe(200);
});
