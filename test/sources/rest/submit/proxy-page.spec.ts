import { lastValueFrom } from 'rxjs';
import { rest } from '../../../../sources/rest/rest';
import { serverAddress } from '../../../../sources/server-address';
import { steps } from '../../../support/comfyui/workflows';
import { start, until } from '../../../support/comfyui/client/comfyui-client';
import { clients, executionsOf, letGoOfAll, posts, short, submitTo } from './submitting';

afterEach(letGoOfAll);

describe('a proxy’s page instead of ComfyUI’s answer', () => {
  test.each([
    [413, 'rejected', false],
    [401, 'unreachable', false],
    [403, 'unreachable', false],
    [301, 'rejected', false],
    [302, 'rejected', false],
  ])('[R10] with status %i is told at once, after one post', async (httpStatus, kind, retryable) => {
    const server = await start({ faults: { status: { httpStatus, body: '<html><title>No</title></html>' } } });
    const { done, promptId } = submitTo(server.url, short());
    expect(await done).toMatchObject([{ tag: 'refused', promptId, failure: { kind, retryable } }]);
    expect(posts(server)).toBe(1);
  });

  test.each([
    [404, 'text/html', '<html><title>404</title></html>'],
    [404, 'text/plain', '404 page not found'],
    [404, 'application/json', '{"message":"no Route matched with those values"}'],
    [404, 'application/json', ''],
    [405, 'text/html', '<html>405</html>'],
    [408, 'text/plain', 'Request Timeout'],
    [410, 'text/html', '<html>410</html>'],
    [425, 'text/html', '<html>425</html>'],
  ])('[R4, R10] with status %i as %s passes: %s', async (httpStatus, contentType, body) => {
    const server = await start({ version: '0.33.0', faults: { status: { httpStatus, body, contentType } } });
    const { done, promptId, reports } = submitTo(server.url, short());
    await until(() => reports.length === 1 && server.requests.length >= 3);
    server.faults.status = undefined;
    expect(await done).toMatchObject([{ tag: 'accepted', promptId }]);
    expect(await executionsOf(server, promptId)).toEqual([1]);
  });

  test('[R10] that stays is told when it is given up', async () => {
    const server = await start({ faults: { status: { httpStatus: 404, body: '<html>404</html>' } } });
    // One that asks on, however often it was refused, and has an answer to tell of, however late that comes.
    const client = rest(serverAddress(server.url), { timeoutMs: 60_000, maxBytes: 1 << 20, breakAfter: 10_000 });
    clients.push(client);
    const { done } = submitTo(server.url, short(), { client, policy: { giveUpMs: 1_500 } });
    const message = expect.stringContaining('nothing is at the server’s address') as string;
    expect(await done).toMatchObject([{ tag: 'refused', failure: { kind: 'unreachable', retryable: true, message } }]);
  });

  test.each([404, 405, 409])(
    '[R4] a %i in JSON is no refusal of ComfyUI’s: posted once it is over',
    async (httpStatus) => {
      const server = await start();
      server.faults.status = { httpStatus, body: '{"error":"no such upstream"}', contentType: 'application/json' };
      const { done } = submitTo(server.url, short());
      await until(() => posts(server) > 0);
      server.faults.status = undefined;
      expect(await done).toMatchObject([{ tag: 'accepted' }]);
    },
  );

  test('of a run that frames have told of meanwhile refuses nothing', async () => {
    const server = await start({ faults: { status: { httpStatus: 400, body: '<html>Bad Request</html>' } } });
    let isHeard = false;
    const { done } = submitTo(server.url, steps(), {
      submission: { wanted: () => !isHeard, onTrouble: () => (isHeard = true) },
    });
    expect(await done).toEqual([]);
  });

  test('[R10] a 403 in JSON is final', async () => {
    const status = { httpStatus: 403, body: '{"error":"no"}', contentType: 'application/json' };
    const server = await start({ faults: { status } });
    const { done } = submitTo(server.url, short());
    expect(await done).toMatchObject([{ tag: 'refused', failure: { retryable: false } }]);
    expect(posts(server)).toBe(1);
  });

  test('to five large bodies keeps nobody else from the server', async () => {
    const server = await start();
    const client = rest(serverAddress(server.url), { timeoutMs: 60_000, maxBytes: 64 << 20, breakAfter: 2 });
    clients.push(client);
    server.faults.status = { httpStatus: 413, body: '<html>413</html>' };
    for (let n = 0; n < 5; n++)
      await expect(lastValueFrom(client.post('/prompt', '{}'))).rejects.toMatchObject({ status: 413 });
    server.faults.status = undefined;
    expect(await lastValueFrom(client.get('/prompt'))).toMatchObject({ status: 200 });
  });
});
