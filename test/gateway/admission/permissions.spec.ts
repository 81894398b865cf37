import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { tokenAuth } from '../../../gateway/admission/auth/auth';
import { startGateway, type Gateway } from '../../../gateway/server/server';
import { steps } from '../../support/comfyui/workflows';
import { asking, type Answer } from '../support/http/asking';
import { callers, EXPECTED, type By, type Caller, type Rank } from '../support/admission/callers';
import { client, connected, join, refused } from '../support/sockets/client';
import { startKeyPublisher, type KeyPublisher } from '../support/admission/key-publisher';
import { runningGateway, type RunningGateway } from '../support/running-gateway';
import { settled, stateWhere } from '../support/settled';
import { SECRET } from '../support/admission/tokens';

let publisher: KeyPublisher;
let gateway: RunningGateway;
let gateways: Readonly<Record<By, Pick<Gateway, 'url'>>>;
let another: Gateway;
/** Ada's: one that has ended, and one that runs on. */
let ended: string, live: string;

beforeAll(async () => {
  publisher = await startKeyPublisher();
  const rates = { requestsPerMinute: 0 };
  gateway = await runningGateway({ auth: tokenAuth({ secret: SECRET, ...EXPECTED }), rates });
  another = await startGateway({
    pipeline: gateway.pipeline,
    host: '127.0.0.1',
    port: 0,
    auth: tokenAuth({ jwksUrl: publisher.url, ...EXPECTED }),
    logger: pino({ level: 'silent' }),
    rates,
  });
  gateways = { secret: gateway, keys: another };
  const submit = async (workflow: ReturnType<typeof steps>): Promise<string> =>
    (await gateway.pipeline.submit({ workflow, type: 'image_generation', userId: 'ada' })).promptId;
  ended = await submit(steps());
  await settled(gateway.pipeline, ended);
  gateway.comfy.faults.mostSteps = 1;
  live = await submit(steps());
  await stateWhere(gateway.pipeline, live, ({ status }) => status === 'processing');
});
afterAll(async () => {
  await gateway.pipeline.cancel(live);
  await another.close();
  await gateway.close();
  await publisher.close();
});

/** One thing to do with a job over HTTP. */
interface Verb {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  /** A body for whoever asks. */
  readonly body?: (caller: Caller) => object;
  /** The answer where it is ada's job that has ended; where there is none, users and services get `missing`. */
  readonly expected: Readonly<Record<Rank, number>>;
  readonly missing: number;
}
const shown = { owner: 200, other: 404, service: 200, nobody: 401 };
const refusedToUsers = { owner: 403, other: 403, service: 404, nobody: 401 };
const tracked = (userId: string) => ({ type: 'image_generation', userId });

const verbs: readonly Verb[] = [
  { name: 'read', method: 'GET', path: '', expected: shown, missing: 404 },
  { name: 'look for', method: 'HEAD', path: '', expected: shown, missing: 404 },
  { name: 'cancel', method: 'POST', path: '/cancel', expected: shown, missing: 404 },
  { name: 'follow', method: 'GET', path: '/events', expected: shown, missing: 404 },
  { name: 'read the nodes of', method: 'GET', path: '/nodes', expected: shown, missing: 404 },
  { name: 'fetch', method: 'GET', path: '/outputs/0', expected: shown, missing: 404 },
  { name: 'look for the output of', method: 'HEAD', path: '/outputs/0', expected: shown, missing: 404 },
  {
    name: 'track',
    method: 'PUT',
    path: '',
    body: ({ userId }) => tracked(userId),
    expected: shown,
    missing: 404,
  },
  {
    name: 'track for somebody else',
    method: 'PUT',
    path: '',
    body: () => tracked('carol'),
    expected: { ...refusedToUsers, service: 200 },
    missing: 403,
  },
];

const ask = async (caller: Caller, { method, path, body }: Verb, promptId: string): Promise<Answer> => {
  const token = await caller.token();
  return asking(gateways[caller.by])(method, `/jobs/${promptId}${path}`, {
    ...(token !== undefined && { token }),
    ...(body && { body: body(caller) }),
  });
};

/** All that a client can tell apart. */
const seen = ({ status, headers: { date: _, ...headers }, text }: Answer) => ({ status, headers, text });

const everybody = callers(() => publisher);
const ranks = (...wanted: readonly Rank[]): readonly Caller[] => everybody.filter(({ rank }) => wanted.includes(rank));
const pairs = everybody.flatMap((caller) => verbs.map((verb) => [caller.name, verb.name, caller, verb] as const));

test('the table has at least 60 cases, each way of being nobody among them', () => {
  expect(pairs.length).toBeGreaterThanOrEqual(60);
  expect(ranks('nobody').length).toBeGreaterThanOrEqual(12);
});

test.each(pairs)('[R14] %s: %s', async (_who, _what, caller, verb) => {
  const [theirs, none] = [await ask(caller, verb, ended), await ask(caller, verb, randomUUID())];
  const missing = caller.rank === 'nobody' ? 401 : caller.rank === 'service' ? 404 : verb.missing;
  expect([theirs.status, none.status]).toEqual([verb.expected[caller.rank], missing]);
  // Who may not see it cannot tell it from one that is not there, by a single byte.
  if (theirs.status >= 400) expect(seen(theirs)).toEqual(seen(none));
});

test.each(everybody.map((caller) => [caller.name, caller] as const))('%s: list', async (_who, caller) => {
  const token = await caller.token();
  for (const [query, owners] of [
    ['', ['ada']],
    ['?userId=ada', ['ada']],
    ['?userId=bob', []],
  ] as const) {
    const { status, json } = await asking(gateways[caller.by])('GET', `/jobs${query}`, {
      ...(token !== undefined && { token }),
    });
    expect(status).toBe(caller.rank === 'nobody' ? 401 : 200);
    const visible = caller.rank === 'other' || caller.rank === 'nobody' ? [] : owners;
    const listed = (json['jobs'] ?? []) as readonly { promptId: string; userId: string }[];
    expect([...new Set(listed.map(({ userId }) => userId))]).toEqual(visible);
  }
});

test.each(everybody.map((caller) => [caller.name, caller] as const))('%s: join, watch', async (_who, caller) => {
  const token = await caller.token();
  const where = gateways[caller.by];
  if (caller.rank === 'nobody') {
    await expect(refused(client(where, token))).rejects.toMatchObject({ data: { code: 'unauthorized' } });
    return;
  }
  const socket = await connected(where, token);
  const sees = caller.rank !== 'other';
  for (const promptId of [ended, live]) {
    const reply = await join(socket, promptId);
    expect(reply.ok).toBe(sees);
    if (!sees) expect(JSON.stringify(reply)).toBe(JSON.stringify(await join(socket, randomUUID())));
  }
  const watched = await new Promise<{ jobs: readonly { promptId: string }[] }>((resolve) =>
    socket.emit('jobs:watch', resolve),
  );
  expect(watched.jobs.map(({ promptId }) => promptId)).toEqual(sees ? [live] : []);
  socket.disconnect();
});

test.each(ranks('nobody', 'other').map((caller) => [caller.name, caller] as const))(
  '%s: submit as the owner, cancel what runs; neither does anything',
  async (_who, caller) => {
    const token = await caller.token();
    const before = gateway.comfy.executions.size;
    const posted = await asking(gateways[caller.by])('POST', '/jobs', {
      body: { ...tracked('ada'), workflow: steps() },
      ...(token !== undefined && { token }),
    });
    expect(posted.status).toBe(caller.rank === 'nobody' ? 401 : 403);
    await ask(
      caller,
      verbs.find(({ name }) => name === 'cancel')!,
      live,
    );
    expect(gateway.comfy.executions.size).toBe(before);
    expect(await gateway.pipeline.get(live)).toMatchObject({ status: 'processing' });
  },
);
