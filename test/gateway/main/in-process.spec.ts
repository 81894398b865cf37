import { firstValueFrom, lastValueFrom } from 'rxjs';
import { jobstream } from '../../../gateway/client';
import { startGateway, TokenRefused, type Auth, type Gateway } from '../../../gateway/server/index';
import { createPipeline, type Pipeline } from '../../../index';
import { start, stopAll } from '../../support/comfyui/client/comfyui-client';
import { steps } from '../../support/comfyui/workflows';
import { aStore } from '../../support/pipeline/stores';

/** Sessions of a backend's own: whoever shows one is its user. */
const sessions: ReadonlyMap<string, string> = new Map([['session-of-ada', 'ada']]);
const auth: Auth = {
  required: true,
  viewerOf: (token) => {
    if (token === undefined) return Promise.resolve(undefined);
    const userId = sessions.get(token);
    if (userId === undefined) return Promise.reject(new TokenRefused('The session is over.'));
    return Promise.resolve({ userId, role: 'user' });
  },
};
const job = { type: 'image_generation', userId: 'ada', workflow: steps({ steps: 3, secondsPerStep: 0.02 }) };

let pipeline: Pipeline;
let gateway: Gateway | undefined;

beforeEach(async () => {
  const comfyui = await start();
  pipeline = createPipeline({ servers: [comfyui.url], store: aStore() });
});
afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
  await pipeline.close();
  await stopAll();
});

test('a backend’s own jobs are shown to the users whom its own sessions name, and it goes on when the gateway closes', async () => {
  gateway = await startGateway({ pipeline, port: 0, auth });
  expect(new URL(gateway.url).hostname).toBe('127.0.0.1');
  const { promptId } = await pipeline.submit(job);
  const ada = jobstream({ url: gateway.url, token: () => 'session-of-ada' });
  const end = await lastValueFrom(ada.watchJob(promptId));
  expect(end).toMatchObject({ promptId, status: 'completed', progress: 100 });
  ada.close();
  const stranger = await fetch(`${gateway.url}/jobs/${promptId}`, { headers: { authorization: 'Bearer none' } });
  expect(stranger.status).toBe(401);
  expect(await stranger.json()).toMatchObject({ detail: expect.stringContaining('The session is over.') as string });
  await gateway.close();
  expect(await pipeline.get(promptId)).toMatchObject({ status: 'completed' });
});

test('without tokens it is for this machine alone, and needs nothing but a pipeline and a port', async () => {
  gateway = await startGateway({ pipeline, port: 0 });
  const { promptId } = await pipeline.submit(job);
  const anyone = jobstream({ url: gateway.url });
  expect(await firstValueFrom(anyone.watchJob(promptId))).toMatchObject({ promptId });
  anyone.close();
  await expect(startGateway({ pipeline, host: '0.0.0.0', port: 0 })).rejects.toThrow(
    'listening at 0.0.0.0 needs an auth with tokens',
  );
});
