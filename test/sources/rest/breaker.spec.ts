import { lastValueFrom } from 'rxjs';
import { start, until } from '../../support/comfyui/client/comfyui-client';
import { ask, asking, closeAll, refusal } from './asking';

afterEach(closeAll);

describe('[R10] the breaker', () => {
  test('opens after failures in a row; then nothing is sent', async () => {
    const server = await start({ faults: { status: { httpStatus: 502, body: '' } } });
    const client = asking(server.url);
    for (let n = 0; n < 4; n++) await refusal(ask(client));
    server.faults.status = undefined;
    await ask(client);
    server.faults.status = { httpStatus: 502, body: '' };
    for (let n = 0; n < 5; n++) await refusal(ask(client));
    const asked = server.requests.length;
    const unasked = await refusal(lastValueFrom(client.post('/prompt', '{}')));
    expect(unasked).toMatchObject({
      message: '/prompt: not asked, the server has not been answering',
      maybeSent: false,
    });
    expect([asked, server.requests.length]).toEqual([10, 10]);
  });

  test('half-opens for one request at a time, and closes when that is answered', async () => {
    const server = await start({ faults: { status: { httpStatus: 502, body: '' } } });
    const client = asking(server.url, { breakAfter: 2 });
    await Promise.all([refusal(ask(client)), refusal(ask(client))]);
    await until(async () => {
      const before = server.requests.length;
      await Promise.all(Array.from({ length: 5 }, () => refusal(ask(client))));
      expect(server.requests.length - before).toBeLessThanOrEqual(1);
      return server.requests.length > before;
    });
    expect(client.answeredAt() > 0).toBe(false);
    server.faults.status = undefined;
    await until(() =>
      ask(client).then(
        () => true,
        () => false,
      ),
    );
    const before = server.requests.length;
    await Promise.all(Array.from({ length: 5 }, () => ask(client)));
    expect([client.answeredAt() > 0, server.requests.length - before]).toEqual([true, 5]);
  });

  test('refusals of ComfyUI’s own and requests given up say nothing against the server', async () => {
    const server = await start({ faults: { hangRoutes: ['/queue'] } });
    const client = asking(server.url, { breakAfter: 2 });
    for (let n = 1; n <= 4; n++) {
      const given = client.get('/queue').subscribe();
      await until(() => server.requests.length === n);
      given.unsubscribe();
    }
    expect((await ask(client, '/nothing')).status).toBe(404);
    for (let n = 0; n < 4; n++) expect((await lastValueFrom(client.post('/prompt', '{}'))).status).toBe(400);
    // Nor for it: a proxy answers so in the place of a server that is gone.
    expect(client.answeredAt()).toBe(0);
    await ask(client);
    expect(client.answeredAt() > 0).toBe(true);
    await ask(client, '/nothing');
    expect(client.answeredAt() > 0).toBe(true);
    client.disown();
    expect(client.answeredAt()).toBe(0);
  });
});
