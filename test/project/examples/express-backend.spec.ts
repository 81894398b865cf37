import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pictures } from '../../../examples/express-backend/pictures';
import { createPipeline, type Pipeline } from '../../../index';
import { steps } from '../../support/comfyui/workflows';
import { start, stopAll } from '../../support/comfyui/client/comfyui-client';
import type { ComfyUIStandIn } from '../../support/comfyui/stand-in';
import { aStore } from '../../support/pipeline/stores';

let comfyui: ComfyUIStandIn;
let pipeline: Pipeline;
let http: Server;
let url: string;

beforeEach(async () => {
  comfyui = await start();
  pipeline = createPipeline({ servers: [comfyui.url], store: aStore() });
  const app = pictures({ pipeline, userOf: (request) => request.get('X-User'), workflowFor: () => steps() });
  http = createServer(app).listen(0, '127.0.0.1');
  await once(http, 'listening');
  url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
});
afterEach(async () => {
  http.closeAllConnections();
  http.close();
  await pipeline.close();
  await stopAll();
});

const asked = (method: string, path: string, user?: string, body?: object) =>
  fetch(url + path, {
    method,
    headers: { ...(user !== undefined && { 'X-User': user }), ...(body && { 'Content-Type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });

interface Told {
  readonly id: string;
  readonly status: string;
  readonly progress: number;
  readonly pictures: readonly string[];
}
const wished = async (user = 'ada'): Promise<Told> => {
  const answer = await asked('POST', '/pictures', user, { wish: 'a lighthouse' });
  expect(answer.status).toBe(202);
  return (await answer.json()) as Told;
};

test('a wish is followed to its picture', async () => {
  const { id } = await wished();
  const text = await (await asked('GET', `/pictures/${id}/events`, 'ada')).text();
  const seen = [...text.matchAll(/^data: (.*)$/gm)].map(([, json = '']) => JSON.parse(json) as Told);
  const progress = seen.map((each) => each.progress);
  expect(progress).toEqual([...progress].sort((a, b) => a - b));
  expect(seen.at(-1)).toMatchObject({ status: 'completed', progress: 100, pictures: [`/pictures/${id}/0`] });
  expect(text).not.toContain(comfyui.url);
  const picture = await asked('GET', seen.at(-1)!.pictures[0]!, 'ada');
  expect([picture.status, picture.headers.get('content-type')]).toEqual([200, 'image/png']);
  expect((await picture.arrayBuffer()).byteLength).toBeGreaterThan(50);
});

test('[R14] another user’s picture is as one that does not exist', async () => {
  const { id } = await wished();
  for (const [method, path] of [
    ['GET', `/pictures/${id}/events`],
    ['GET', `/pictures/${id}/0`],
    ['DELETE', `/pictures/${id}`],
  ] as const)
    expect((await asked(method, path, 'bob')).status).toBe(404);
  expect((await asked('POST', '/pictures', undefined, { wish: 'x' })).status).toBe(401);
  expect((await asked('POST', '/pictures', 'ada', { wish: 7 })).status).toBe(400);
});

test('a wish can be taken back', async () => {
  comfyui.faults.mostSteps = 2;
  const { id } = await wished();
  expect([200, 202]).toContain((await asked('DELETE', `/pictures/${id}`, 'ada')).status);
  const text = await (await asked('GET', `/pictures/${id}/events`, 'ada')).text();
  expect(text).toContain('"status":"failed"');
});
