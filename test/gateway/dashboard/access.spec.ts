import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { startChromium } from '../../support/programs/chromium';
import { image, nodeError, rejected, twoOutputs } from '../../support/comfyui/workflows';
import { dropFile, jobIn, jobUrl, openScreen, violationsOf, type Screen } from '../support/dashboard/screen';
import { runningGateway, type RunningGateway } from '../support/running-gateway';
import { settled, stateWhere } from '../support/settled';
import { testAuth } from '../support/admission/tokens';

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
/** What a page is made of is looked at twice; what its colours do, and where a finger falls, is another matter in each look. */
const OF_LOOKS = ['color-contrast', 'link-in-text-block', 'target-size'];
const looks: readonly (readonly [string, BrowserContextOptions, readonly string[] | undefined])[] = [
  ['light, in motion', { ...desk, colorScheme: 'light', reducedMotion: 'no-preference' }, undefined],
  ['dark', { ...desk, colorScheme: 'dark' }, OF_LOOKS],
  ['light, on a phone', { ...phone, colorScheme: 'light' }, OF_LOOKS],
  ['dark, on a phone', { ...phone, colorScheme: 'dark' }, undefined],
];

describe.each(looks)('axe finds nothing wrong: %s', (_look, options, rules) => {
  let screen: Screen;
  beforeAll(async () => {
    screen = await openScreen(browser, options);
  });
  afterAll(() => screen.page.close());

  const shown = async (url: string, until: (page: Page) => Locator) => {
    const { page, troubles } = screen;
    await page.goto(url);
    await until(page).first().waitFor();
    expect(await violationsOf(page, rules)).toEqual([]);
    // A phone's window grows with what is too wide for it.
    const { width } = options.viewport!;
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
    expect(troubles).toEqual([]);
  };
  const job = (promptId: string, text: string) =>
    shown(jobUrl(gateway.url, promptId), (page) => jobIn(page, promptId).getByText(text));

  test('the list', () => shown(gateway.url, (page) => page.getByText('A node failed')));
  test('a running job', () => job(ids.running, 'KSampler'));
  test('a failed job', () => job(ids.failed, 'What to do.'));
  test('a refused job', () => job(ids.refused, 'What to do.'));
  test('a completed job', () => job(ids.completed, 'Outputs'));
  test('the submit dialog', async () => {
    await dropFile(screen.page, 'image.json', JSON.stringify(image()));
    await shown(screen.page.url(), (page) => page.getByText('image.json'));
  });
  test('where a token is asked for', () => shown(guarded.url, (page) => page.getByText('A token is needed')));
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
