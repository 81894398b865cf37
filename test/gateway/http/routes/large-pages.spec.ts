import type { PublicJob } from '../../../../gateway/wire/public-job';
import { bounds } from '../../../../streams/bounds';
import { testAuth, tokenOf } from '../../support/admission/tokens';
import { asking } from '../../support/http/asking';
import { runningGateway, type RunningGateway } from '../../support/running-gateway';

const COUNT = 60;
let gateway: RunningGateway;
let mallory: string;
let pages = 0;
/** Pages that were being read at once, at most. */
let atOnce = 0;

beforeAll(async () => {
  gateway = await runningGateway({ auth: testAuth, rates: { requestsPerMinute: 200 } });
  mallory = await tokenOf({ sub: 'mallory' });
  const metadata = { note: 'x'.repeat(bounds.metadataBytes - 20) };
  const open = () => gateway.pipeline.open({ type: 'x', userId: 'mallory', reported: {}, metadata });
  await Promise.all(Array.from({ length: COUNT }, open));
  const list = gateway.pipeline.list.bind(gateway.pipeline);
  let reading = 0;
  jest.spyOn(gateway.pipeline, 'list').mockImplementation(async (query) => {
    pages += 1;
    atOnce = Math.max(atOnce, (reading += 1));
    return list(query).finally(() => (reading -= 1));
  });
});
beforeEach(() => {
  [pages, atOnce] = [0, 0];
});
afterAll(() => gateway.close());

test('[R16] a page has so many bytes, and a cursor to go on: all jobs are on one of them, once', async () => {
  const ask = asking(gateway);
  const token = await tokenOf({ role: 'service' });
  const found: string[] = [];
  for (let cursor: string | undefined = ''; cursor !== undefined;) {
    const { json, text } = await ask('GET', `/jobs?limit=200${cursor === '' ? '' : `&cursor=${cursor}`}`, { token });
    expect(Buffer.byteLength(text)).toBeLessThan(bounds.answerBytes + 1_000);
    found.push(...(json['jobs'] as PublicJob[]).map(({ promptId }) => promptId));
    cursor = json['cursor'] as string | undefined;
  }
  expect(found).toHaveLength(COUNT);
  expect(new Set(found).size).toBe(COUNT);
  expect(pages).toBe(2);
});

test('[R17] lists of one user are read one after the other, and count by what they hold', async () => {
  const ask = asking(gateway);
  const answers = await Promise.all(
    Array.from({ length: 60 }, () => ask('GET', '/jobs?limit=200', { token: mallory })),
  );
  const granted = answers.filter(({ status }) => status === 200);
  expect([...new Set(answers.map(({ status }) => status))].sort()).toEqual([200, 429]);
  // Each page counts as nine of the 200: itself, and each 64 KiB of the 512 that it holds, not of all that there is.
  expect(granted.length).toBe(23);
  expect(pages).toBe(granted.length);
  expect(atOnce).toBe(1);
  expect(answers.find(({ status }) => status === 429)?.headers['ratelimit']).toMatch(/^"requests";r=0;t=\d+$/);
  expect((await ask('GET', '/jobs', { token: await tokenOf({ sub: 'ada' }) })).status).toBe(200);
});

test('[R17] a list counts by what was read for it, though nothing matches', async () => {
  const metadata = { note: 'x'.repeat(bounds.metadataBytes - 20) };
  const open = () => gateway.pipeline.open({ type: 'x', userId: 'oscar', reported: {}, metadata });
  await Promise.all(Array.from({ length: 20 }, open));
  const token = await tokenOf({ sub: 'oscar' });
  const { json, headers } = await asking(gateway)('GET', '/jobs?text=nowhere', { token });
  expect(json).toEqual({ jobs: [], totals: expect.anything() as unknown });
  const [, left] = /r=(\d+)/.exec(String(headers['ratelimit'])) ?? [];
  // Itself, and four states as one more.
  expect(Number(left)).toBe(200 - 1 - 20 / 4);
});
