import type { Browser, Page } from 'playwright-core';
import { startChromium } from '../support/chromium';
import { image, outOfMemory, rejected, steps } from '../support/comfyui/workflows';
import { eventually } from './support/eventually';
import { runningGateway, type RunningGateway } from './support/running-gateway';
import { settled } from './support/settled';
import { testAuth, tokenOf } from './support/tokens';

jest.setTimeout(60_000);

let browser: Browser;
let gateway: RunningGateway;
let page: Page;
let troubles: string[];

beforeAll(async () => {
  browser = await startChromium();
  gateway = await runningGateway({ auth: testAuth });
}, 180_000);
afterAll(async () => {
  await browser.close();
  await gateway.close();
});
beforeEach(async () => {
  page = await browser.newPage();
  troubles = [];
  page.on('pageerror', ({ message }) => troubles.push(message));
  page.on('console', (message) => message.type() === 'error' && troubles.push(message.text()));
});
afterEach(() => page.close());

const open = async (claims = { sub: 'ada' }) => page.goto(`${gateway.url}/#token=${await tokenOf(claims)}`);
const submit = (workflow: ReturnType<typeof image>, userId = 'ada', more = {}) =>
  gateway.pipeline.submit({ workflow, type: 'image_generation', userId, ...more });
const card = (promptId: string) => page.locator(`[data-job="${promptId}"]`);

test('a bar moves to completed, with previews on the way and the outputs at the end', async () => {
  await open();
  const { promptId } = await submit(steps({ steps: 40, secondsPerStep: 0.5, previewEvery: 2 }));
  const bar = card(promptId).getByRole('progressbar');
  const seen: number[] = [];
  const pictured = card(promptId).locator('.picture[src^="blob:"]').waitFor();
  await eventually(
    () => expect(seen.at(-1)).toBe(100),
    20_000,
    async () => {
      if ((await bar.count()) > 0) seen.push(Number(await bar.getAttribute('aria-valuenow')));
    },
  );
  await pictured;
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
  expect(new Set(seen).size).toBeGreaterThan(3);
  expect(await card(promptId).locator('.status').textContent()).toBe('Completed');
  await card(promptId).locator('.tile canvas').first().waitFor();
  await card(promptId).locator('.tile').first().click();
  await page.locator('#viewer img').waitFor();
  expect(
    await page.evaluate(
      'document.querySelector("#viewer img").decode().then(() => document.querySelector("#viewer img").naturalWidth)',
    ),
  ).toBe(64);
  expect(troubles).toEqual([]);
});

test('failures are explained, by node where ComfyUI says', async () => {
  const [memory, refused] = await Promise.all([submit(outOfMemory()), submit(rejected())]);
  await settled(gateway.pipeline, memory.promptId);
  await open();
  await card(memory.promptId).getByText('Out of memory', { exact: true }).waitFor();
  await card(refused.promptId).getByText('Refused by ComfyUI').waitFor();
  expect(await card(refused.promptId).locator('.failure li').count()).toBeGreaterThan(0);
});

test('what users wrote is text', async () => {
  const nasty = '<img src=x onerror="window.owned=1"><script>window.owned=1</script>';
  const workflow = { ...image(), '9': { ...image()['9']!, _meta: { title: nasty } } };
  const { promptId } = await submit(workflow, 'ada', { type: nasty, characterId: nasty });
  await open();
  await card(promptId).waitFor();
  await settled(gateway.pipeline, promptId);
  expect(await card(promptId).locator('h2').textContent()).toContain('<img src=x');
  expect(await page.evaluate('window.owned')).toBeUndefined();
});

test('a user sees their own jobs only; the text filter finds by user, id and type', async () => {
  const mine = await submit(outOfMemory());
  const others = await submit(outOfMemory(), 'bob');
  await open();
  await card(mine.promptId).waitFor();
  expect(await card(others.promptId).count()).toBe(0);
  await page.goto('about:blank');
  await open({ role: 'service' } as never);
  await card(others.promptId).waitFor();
  await page.getByRole('searchbox').fill('bob');
  await card(mine.promptId).waitFor({ state: 'detached' });
  expect(await card(others.promptId).count()).toBe(1);
  await page.getByRole('searchbox').fill('nothing like it');
  await page.getByText('No job matches').waitFor();
});

test('the status filter keeps what fits', async () => {
  const failed = await submit(outOfMemory());
  const done = await submit(image({ steps: 1 }));
  await Promise.all([settled(gateway.pipeline, failed.promptId), settled(gateway.pipeline, done.promptId)]);
  await open();
  await card(done.promptId).waitFor();
  await page.getByText('Failed', { exact: true }).first().click();
  await card(done.promptId).waitFor({ state: 'detached' });
  await card(failed.promptId).waitFor();
});

test('cancel asks twice and stops the job', async () => {
  const { promptId } = await submit(image({ steps: 500 }));
  await open();
  await card(promptId).getByRole('button', { name: 'Cancel' }).click();
  await card(promptId).getByRole('button', { name: 'Really cancel?' }).click();
  await card(promptId).locator('.status', { hasText: 'Cancelled' }).waitFor();
});

test('without a token it asks for one, keeps it out of the address, and goes on', async () => {
  await page.goto(gateway.url);
  await page.getByRole('heading', { name: 'A token is needed' }).waitFor();
  await page.getByLabel('Token', { exact: true }).fill(await tokenOf({ sub: 'ada' }));
  await page.getByRole('button', { name: 'Show jobs' }).click();
  await page.locator('.job').first().waitFor();
  await page.locator('#link[data-state="live"]').waitFor();
  await open();
  await page.locator('.job').first().waitFor();
  expect(page.url()).toBe(`${gateway.url}/`);
});

test('servers and the store show how they are', async () => {
  await open({ role: 'service' } as never);
  await page.locator('.servers [data-state="good"]', { hasText: new URL(gateway.comfy.url).host }).waitFor();
  await page.locator('.servers [data-state="good"]', { hasText: 'Job store' }).waitFor();
});
