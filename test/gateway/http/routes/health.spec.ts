import { randomUUID } from 'node:crypto';
import { asking } from '../../support/http/asking';
import { runningGateway } from '../../support/running-gateway';

test('ready while the store and a server are well; not without a server; alive all the time', async () => {
  const gateway = await runningGateway();
  const ask = asking(gateway);
  const readiness = async (until: (text: string) => boolean) => {
    for (;;) {
      const answer = await ask('GET', '/readyz');
      if (until(answer.text)) return answer;
    }
  };
  const { url } = gateway.comfy;
  expect(await readiness((text) => text.includes('websocket'))).toMatchObject({
    status: 200,
    json: {
      status: 'ready',
      checks: { store: { healthy: true }, servers: [{ url, healthy: true, via: 'websocket' }] },
    },
  });
  await gateway.comfy.kill();
  // Something must ask the server for its silence to be noticed.
  await ask('PUT', `/jobs/${randomUUID()}`, { body: { type: 'image_generation', userId: 'ada' } });
  expect(await readiness((text) => text.includes('"not ready"'))).toMatchObject({
    status: 503,
    json: { checks: { store: { healthy: true }, servers: [{ healthy: false }] } },
  });
  expect(await ask('GET', '/livez')).toMatchObject({ status: 200 });
  await gateway.close();
});
