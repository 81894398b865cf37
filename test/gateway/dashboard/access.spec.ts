import type { Browser, BrowserContextOptions } from 'playwright-core';
import { startChromium } from '../../support/chromium';
import { image, nodeError, rejected, twoOutputs } from '../../support/comfyui/workflows';
import { dropFile, jobIn, jobUrl, openScreen, violationsOf } from '../support/dashboard';
import { runningGateway, type RunningGateway } from '../support/running-gateway';
import { settled, stateWhere } from '../support/settled';
import { testAuth } from '../support/tokens';

let browser: Browser;
let gateway: RunningGateway;
let guarded: RunningGateway;
const ids: Record<'running' | 'failed' | 'refused' | 'completed', string> = {
  running: '',
  failed: '',
  refused: '',
  completed: '',
};

beforeAll(async () => {
  browser = await startChromium();
  [gateway, guarded] = await Promise.all([runningGateway(), runningGateway({ auth: testAuth })]);
  const submit = async (workflow: ReturnType<typeof image>) =>
    (await gateway.pipeline.submit({ workflow, type: 'image_generation', userId: 'ada', characterId: 'knight' }))
      .promptId;
  ids.failed = await submit(nodeError());
  ids.refused = await submit(rejected());
  ids.completed = await submit(twoOutputs());
  await settled(gateway.pipeline, ids.completed);
  ids.running = await submit(image({ steps: 100_000 }));
  await submit(image());
  await stateWhere(gateway.pipeline, ids.running, ({ node }) => node?.type === 'KSampler');
});
afterAll(async () => {
  await browser.close();
  await Promise.all([gateway.close(), guarded.close()]);
});

const desk = { viewport: { width: 1280, height: 800 } };
const phone = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };
const looks: readonly (readonly [string, BrowserContextOptions])[] = [
  ['light', { ...desk, colorScheme: 'light' }],
  ['dark', { ...desk, colorScheme: 'dark' }],
  ['light, on a phone', { ...phone, colorScheme: 'light' }],
  ['dark, on a phone, without motion', { ...phone, colorScheme: 'dark', reducedMotion: 'reduce' }],
];

describe.each(looks)('axe finds nothing wrong: %s', (_look, options) => {
  const shown = async (url: string, until: string, then: 'stays' | 'submits' = 'stays') => {
    const { page, troubles } = await openScreen(browser, options);
    await page.goto(url);
    await page.getByText(until).first().waitFor();
    if (then === 'submits') {
      await dropFile(page, 'image.json', JSON.stringify(image()));
      await page.getByText('image.json').waitFor();
    }
    expect(await violationsOf(page)).toEqual([]);
    // A phone's window grows with what is too wide for it.
    const { width } = options.viewport!;
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
    expect(troubles).toEqual([]);
    await page.close();
  };

  test('the list', () => shown(gateway.url, 'A node failed'));
  test('a running job', () => shown(jobUrl(gateway.url, ids.running), 'KSampler'));
  test('a failed job', () => shown(jobUrl(gateway.url, ids.failed), 'What to do.'));
  test('a refused job', () => shown(jobUrl(gateway.url, ids.refused), 'What to do.'));
  test('a completed job', () => shown(jobUrl(gateway.url, ids.completed), 'Outputs'));
  test('the submit dialog', () => shown(gateway.url, 'A node failed', 'submits'));
  test('where a token is asked for', () => shown(guarded.url, 'A token is needed'));
});

test('a screen reader gets lists with places, and bars with words', async () => {
  const { page } = await openScreen(browser, desk);
  await page.goto(gateway.url);
  const row = jobIn(page, ids.failed);
  await row.waitFor();
  expect(await page.getByRole('list', { name: 'Jobs' }).getByRole('listitem').count()).toBe(5);
  expect(await row.getAttribute('aria-setsize')).toBe('5');
  const bar = row.getByRole('progressbar', { name: 'Image · knight, ada' });
  expect(await bar.getAttribute('aria-valuetext')).toMatch(/^\d+ %, failed$/);
  await page.close();
});

test('where motion is not wanted nothing moves by itself', async () => {
  const { page } = await openScreen(browser, { ...desk, reducedMotion: 'reduce' });
  await page.goto(gateway.url);
  await jobIn(page, ids.running).waitFor();
  expect(await page.evaluate(`getComputedStyle(document.querySelector('.bar > div')).transitionDuration`)).toBe('0s');
  await page.close();
});
