import { asyncScheduler, lastValueFrom } from 'rxjs';
import { cancel } from '../../../sources/rest/cancel';
import { jobRoutes } from '../../../sources/looks/job-routes';
import { NoAnswer } from '../../../sources/rest/no-answer';
import { rest, type Rest } from '../../../sources/rest/rest';
import { serverAddress } from '../../../sources/server-address';
import { jittered } from '../../../streams/operators/backoff';
import { reconnecting } from '../../../streams/operators/reconnecting';
import type { ComfyUIStandIn, StandInOptions } from '../../support/comfyui/stand-in';
import type { ComfyUIVersion } from '../../support/comfyui/versions';
import { steps } from '../../support/comfyui/workflows';
import {
  Client,
  finished,
  get,
  start,
  stopAll,
  submit,
  until,
  type Queue,
} from '../../support/comfyui/client/comfyui-client';
import { PATIENCE_MS } from '../../support/until';

const isTransient = (error: unknown): boolean => error instanceof NoAnswer;

const versions: readonly ComfyUIVersion[] = ['0.3.30', '0.3.64', '0.33.0'];
const clients: Rest[] = [];

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await stopAll();
});

function asking(server: ComfyUIStandIn, timeoutMs = PATIENCE_MS): Rest {
  const client = rest(serverAddress(server.url), { timeoutMs, maxBytes: 64 << 20, breakAfter: 20 });
  clients.push(client);
  return client;
}

const asked = (client: Rest, promptId: string): Promise<unknown> =>
  lastValueFrom(cancel(client, jobRoutes(client), promptId), { defaultValue: 'asked' });

const short = () => steps({ steps: 3, secondsPerStep: 0.01 });
/** Goes on for as long as its server holds it. */
const long = () => steps({ steps: 10, secondsPerStep: 0.02 });

const starting = (version: ComfyUIVersion, { faults }: Partial<StandInOptions> = {}) =>
  start({ version, faults: { mostSteps: 5, ...faults } });
const letGo = ({ faults }: ComfyUIStandIn): void => void (faults.mostSteps = Infinity);

/** Ids of the jobs that wait. */
const pending = async (server: ComfyUIStandIn): Promise<readonly unknown[]> =>
  (await get<Queue>(server, '/queue')).queue_pending.map(([, promptId]) => promptId);

describe.each(versions)('%s', (version) => {
  test('stops the job that runs, and not the one that waits', async () => {
    const server = await starting(version);
    const [running, waiting] = [await submit(server, long()), await submit(server, short())];
    await until(() => server.executions.has(running));
    expect(await asked(asking(server), running)).toBe('asked');
    expect((await finished(server, running)).status.status_str).toBe('error');
    expect((await finished(server, waiting)).status.status_str).toBe('success');
  });

  test('takes the job that waits away, and leaves the one that runs and the others alone', async () => {
    const server = await starting(version);
    const running = await submit(server, long());
    const [waiting, other] = [await submit(server, short()), await submit(server, short())];
    await until(() => server.executions.has(running));
    expect(await asked(asking(server), waiting)).toBe('asked');
    expect(await pending(server)).toEqual([other]);
    letGo(server);
    for (const id of [running, other]) expect((await finished(server, id)).status.status_str).toBe('success');
    expect([server.executions.has(waiting), await get(server, `/history/${waiting}`)]).toEqual([false, {}]);
  });

  test('takes the only job that waits away while another’s runs', async () => {
    const server = await starting(version);
    const running = await submit(server, long());
    const waiting = await submit(server, short());
    await asked(asking(server), waiting);
    letGo(server);
    expect((await finished(server, running)).status.status_str).toBe('success');
    expect(await pending(server)).toEqual([]);
  });

  test('is harmless for a job that has ended or never was, twice even', async () => {
    const server = await starting(version);
    const ended = await submit(server, short());
    const end = await finished(server, ended);
    const running = await submit(server, long());
    await until(() => server.executions.has(running));
    const client = asking(server);
    for (const id of [ended, ended, 'never', 'a/../b?c#d']) expect(await asked(client, id)).toBe('asked');
    letGo(server);
    expect((await finished(server, running)).status.status_str).toBe('success');
    expect(await finished(server, ended)).toEqual(end);
  });

  test('asked twice for the job that runs, it stops no other', async () => {
    const server = await starting(version);
    const [running, next] = [await submit(server, long()), await submit(server, short())];
    await until(() => server.executions.has(running));
    const client = asking(server);
    await Promise.all([asked(client, running), asked(client, running)]);
    await finished(server, running);
    await asked(client, running);
    expect((await finished(server, next)).status.status_str).toBe('success');
  });

  test('[R4] no answer is an error, and asking again does it', async () => {
    const server = await starting(version, { faults: { status: { httpStatus: 502, body: '<html>' } } });
    const running = await submitBehind(server);
    const client = asking(server);
    await expect(asked(client, running)).rejects.toThrow(NoAnswer);
    let tries = 0;
    const delayMs = () => {
      tries += 1;
      return 10;
    };
    const again = lastValueFrom(
      cancel(client, jobRoutes(client), running).pipe(
        reconnecting({ backoff: { steadyMs: 60_000, delayMs }, clock: asyncScheduler, isTransient }),
      ),
      { defaultValue: 'asked' },
    );
    await until(() => tries >= 3);
    server.faults.status = undefined;
    expect(await again).toBe('asked');
    expect((await finished(server, running)).status.status_str).toBe('error');
  });

  test('a server that is busy is waited for', async () => {
    const server = await starting(version);
    const running = await submit(server, long());
    await until(() => server.executions.has(running));
    server.faults.busy(0.3);
    const hurried = asking(server, 100);
    const again = cancel(hurried, jobRoutes(hurried), running).pipe(
      reconnecting({
        backoff: jittered({ firstMs: 20, maxMs: 100, steadyMs: 60_000 }, Math.random),
        clock: asyncScheduler,
        isTransient,
      }),
    );
    expect(await lastValueFrom(again, { defaultValue: 'asked' })).toBe('asked');
    expect((await finished(server, running)).status.status_str).toBe('error');
  });
});

/** Posts a long workflow past the fault that is on. */
async function submitBehind(server: ComfyUIStandIn): Promise<string> {
  const { status } = server.faults;
  server.faults.status = undefined;
  const id = await submit(server, long());
  await until(() => server.executions.has(id));
  server.faults.status = status;
  return id;
}

test('0.3.30, which interrupts whatever runs, is only asked to if the job was seen to run right before', async () => {
  const server = await starting('0.3.30');
  const [running, waiting] = [await submit(server, long()), await submit(server, short())];
  await until(() => server.executions.has(running));
  const client = asking(server);
  const seen = server.requests.length;
  await asked(client, waiting);
  const requests = server.requests.slice(seen).map(({ method, path }) => `${method} ${path}`);
  expect(requests).toEqual([`POST /api/jobs/${waiting}/cancel`, 'POST /queue', 'GET /queue']);
  await asked(client, running);
  expect(server.requests.at(-1)).toMatchObject({ method: 'POST', path: '/interrupt', status: 200 });
});

test('[R8] a server that has proven to lack the newer routes is not asked for them', async () => {
  const server = await starting('0.3.64');
  const [running, waiting] = [await submit(server, long()), await submit(server, short())];
  await until(() => server.executions.has(running));
  const client = asking(server);
  const routes = jobRoutes(client);
  await lastValueFrom(routes.queue());
  const seen = server.requests.length;
  await lastValueFrom(cancel(client, routes, waiting), { defaultValue: 'asked' });
  const requests = server.requests.slice(seen).map(({ method, path }) => `${method} ${path}`);
  expect(requests).toEqual(['POST /queue', 'GET /queue']);
  expect(await pending(server)).toEqual([]);
});

test('a queue that cannot be read is no answer, and nothing is interrupted', async () => {
  const server = await starting('0.3.30');
  const client = await Client.connect(server);
  const running = await submit(server, long());
  await until(() => server.executions.has(running));
  server.faults.status = { httpStatus: 200, body: '<html>', routes: ['/queue'] };
  await expect(asked(asking(server), running)).rejects.toThrow(NoAnswer);
  expect(server.requests.some(({ path }) => path === '/interrupt')).toBe(false);
  client.socket.terminate();
});

test('a queue too large to be read stops no cancel of a server that interrupts by id', async () => {
  const server = await starting('0.3.64', { faults: { giantQueue: 50 } });
  const running = await submit(server, long());
  await until(() => server.executions.has(running));
  const client = rest(serverAddress(server.url), { timeoutMs: PATIENCE_MS, maxBytes: 65_536, breakAfter: 20 });
  clients.push(client);
  expect(await asked(client, running)).toBe('asked');
  expect((await finished(server, running)).status.status_str).toBe('error');
});

test('where it would stop whatever runs, such a queue does not let it', async () => {
  const server = await starting('0.3.30', { faults: { giantQueue: 50 } });
  const running = await submit(server, short());
  const client = rest(serverAddress(server.url), { timeoutMs: PATIENCE_MS, maxBytes: 65_536, breakAfter: 20 });
  clients.push(client);
  await expect(asked(client, 'another')).rejects.toBeInstanceOf(NoAnswer);
  expect((await finished(server, running)).status.status_str).toBe('success');
});
