import { asking } from './support/asking';
import { runningGateway } from './support/running-gateway';

test('ready while the store and a server are well; not without a server; alive all the time', async () => {
  const gateway = await runningGateway();
  const ask = asking(gateway);
  expect(await ask('GET', '/readyz')).toMatchObject({
    status: 200,
    json: {
      status: 'ready',
      checks: { store: { healthy: true }, servers: [{ url: gateway.comfy.url, healthy: true, via: 'websocket' }] },
    },
  });
  await gateway.comfy.kill();
  let answer = await ask('GET', '/readyz');
  while (answer.status === 200) answer = await ask('GET', '/readyz');
  expect(answer).toMatchObject({
    status: 503,
    json: { status: 'not ready', checks: { store: { healthy: true }, servers: [{ healthy: false }] } },
  });
  expect(await ask('GET', '/livez')).toMatchObject({ status: 200 });
  await gateway.close();
});
