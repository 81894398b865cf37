import { Subject, defer } from 'rxjs';
import { rest, type Rest } from '../../../../sources/rest/rest';
import { serverAddress } from '../../../../sources/server-address';
import { start, until } from '../../../support/comfyui/client/comfyui-client';
import { tcpProxy } from '../../../support/network/tcp-proxy';
import { clients, letGoOfAll, posts, short, submitTo } from './submitting';

afterEach(letGoOfAll);

/** Requests to one server wait for each other; a single failure opens its breaker. */
function oneClient(url: string): Rest {
  const client = rest(serverAddress(url), { timeoutMs: 10_000, maxBytes: 64 << 20, breakAfter: 1 });
  clients.push(client);
  return client;
}

/** A lease that a test may lose and get back, and how often a post has waited for it. */
function aLease() {
  const changed$ = new Subject<void>();
  const lease = { isCertain: true, waits: 0 };
  const submission = {
    mayPost: () => lease.isCertain,
    changed$: defer(() => {
      lease.waits += 1;
      return changed$;
    }),
  };
  const back = (): void => {
    lease.isCertain = true;
    changed$.next();
  };
  return { lease, submission, back };
}

const policy = { postMs: 60_000 };

test('[R11] a post that waits for a connection stays here once another instance may have posted its job', async () => {
  const server = await start();
  const link = await tcpProxy(server.url);
  link.pause();
  const client = oneClient(link.url);
  const before = Array.from({ length: 8 }, () => submitTo(link.url, short(), { client, policy }));
  const { lease, submission, back } = aLease();
  const waiting = submitTo(link.url, short(), { client, policy, submission });
  const next = submitTo(link.url, short(), { client, policy });
  await until(() => link.open() === 8);
  lease.isCertain = false;
  link.resume();
  await Promise.all([...before, next].map(({ done }) => done));
  await until(() => lease.waits === 1);
  expect(posts(server)).toBe(9);
  back();
  expect(await waiting.done).toMatchObject([{ tag: 'accepted', promptId: waiting.promptId }]);
  expect(waiting.reports).toEqual([]);
  await until(() => server.executions.get(waiting.promptId) === 1);
  await link.close();
});

test('[R11] a long body that is on its way is cut off then, and ComfyUI takes nothing of it', async () => {
  const server = await start();
  const link = await tcpProxy(server.url);
  link.pause();
  const { lease, submission, back } = aLease();
  const prompt = { workflow: JSON.stringify(short()), extraData: JSON.stringify({ large: 'x'.repeat(16 << 20) }) };
  const { promptId, reports, done } = submitTo(
    link.url,
    {},
    {
      client: oneClient(link.url),
      policy,
      submission: { ...submission, prompt },
    },
  );
  await until(() => link.open() === 1);
  lease.isCertain = false;
  link.resume();
  await until(() => lease.waits === 1);
  back();
  expect(await done).toMatchObject([{ tag: 'accepted', promptId }]);
  expect([reports, server.posted.length]).toEqual([[], 1]);
  await until(() => server.executions.get(promptId) === 1);
  await link.close();
});
