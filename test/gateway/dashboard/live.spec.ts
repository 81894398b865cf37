import { image, outOfMemory } from '../../support/comfyui/workflows';
import { runningGateway, type RunningGateway } from '../support/running-gateway';
import { onePage, open, page, row, service, submit } from '../support/dashboard/one-page';

onePage();

test('while it is connected it listens and does not ask again', async () => {
  const asked: string[] = [];
  await open({ sub: 'listens' });
  await page.getByText('No jobs yet').waitFor();
  page.on('request', (request) => request.url().includes('/jobs?') && asked.push(request.url()));
  const { promptId } = await submit(image({ steps: 3 }), 'listens');
  await row(promptId).getByText('Completed').waitFor();
  const counts = page.locator('.segments');
  await counts.getByText('Completed 1').waitFor();
  expect(asked).toEqual([]);
});

test('counts that no state corrects are asked for within a minute', async () => {
  await page.clock.install();
  await open({ sub: 'counted' });
  await page.getByText('No jobs yet').waitFor();
  const counts = page.locator('.segments');
  await counts.getByText('Completed 0').waitFor();
  const totals = { queued: 0, processing: 0, completed: 7, failed: 0, cancelled: 0 };
  await page.route(/\/jobs\?/, (route) => route.fulfill({ json: { jobs: [], totals } }));
  await page.clock.fastForward(61_000);
  await counts.getByText('Completed 7').waitFor();
});

test('servers and the store show how they are', async () => {
  await open(service);
  const server = page.locator('.servers li', { hasText: 'server-1' });
  await server.getByText('WebSocket').waitFor();
  await server.getByText(/\d+ in queue/).waitFor();
  await page.locator('.servers li', { hasText: 'Job store' }).getByText('well').waitFor();
});

describe('a server', () => {
  let other: RunningGateway;
  const chip = () => page.locator('.servers li').first();
  afterEach(() => other.close());

  test('that is gone is told as such', async () => {
    other = await runningGateway();
    await page.goto(other.url);
    await chip().getByText('WebSocket').waitFor();
    await other.comfy.kill();
    await chip().getByText('no answer').waitFor();
  });

  test('that lets no socket in is told to be polled', async () => {
    other = await runningGateway({ comfyUI: { faults: { status: { httpStatus: 502, body: '', routes: ['/ws'] } } } });
    other.comfy.faults.mostSteps = 1;
    await other.pipeline.submit({ workflow: image(), type: 'image_generation', userId: 'ada' });
    await page.goto(other.url);
    await chip().getByText('polling').waitFor();
  });
});

test('where sockets are blocked the list comes over HTTP', async () => {
  await page.routeWebSocket(/socket\.io/, (socket) => void socket.close());
  await open({ sub: 'blocked' });
  await page.getByText('No jobs yet').waitFor();
  const { promptId } = await submit(outOfMemory(), 'blocked');
  await row(promptId).getByText('Out of memory').waitFor();
});
