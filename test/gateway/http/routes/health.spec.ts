import { randomUUID } from 'node:crypto';
import { lastValueFrom, Subject } from 'rxjs';
import { openAuth } from '../../../../gateway/admission/auth/auth';
import { eventually } from '../../../support/until';
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

test('[R16] however many ask at a time whether it is ready, the store is asked once', async () => {
  let asked = 0;
  const viewerOf = (token: string | undefined) => {
    asked += 1;
    return openAuth.viewerOf(token);
  };
  const gateway = await runningGateway({ auth: { ...openAuth, viewerOf } });
  const isHealthy = gateway.pipeline.storeHealthy.bind(gateway.pipeline);
  const held = new Subject<void>();
  const question = jest.spyOn(gateway.pipeline, 'storeHealthy').mockImplementation(async () => {
    await lastValueFrom(held, { defaultValue: undefined });
    return isHealthy();
  });
  const answers = Array.from({ length: 20 }, () => asking(gateway)('GET', '/readyz'));
  await eventually(() => expect(asked).toBe(20));
  held.next();
  held.complete();
  for (const { json } of await Promise.all(answers))
    expect(json).toMatchObject({ checks: { store: { healthy: true } } });
  expect(question).toHaveBeenCalledTimes(1);
  await asking(gateway)('GET', '/readyz');
  expect(question).toHaveBeenCalledTimes(2);
  await gateway.close();
});
