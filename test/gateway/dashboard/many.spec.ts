import type { Browser } from 'playwright-core';
import { startChromium } from '../../support/programs/chromium';
import { image } from '../../support/comfyui/workflows';
import { jobIn, openScreen, untilTrue } from '../support/dashboard/screen';
import { runningGateway, type RunningGateway } from '../support/running-gateway';

/** More than two of the list’s pages, and ten times what a window shows. */
const MANY = 500;
/** Rows of a window's height, what is kept beyond its edges, and the one with the focus. */
const MOST_ROWS = 40;
const AT_ONCE = 20;

let browser: Browser;
let gateway: RunningGateway;

beforeAll(async () => {
  browser = await startChromium();
  gateway = await runningGateway({ userLimits: { jobs: MANY } });
});
afterAll(async () => {
  await browser.close();
  await gateway.close();
});

test('500 live jobs: a bounded number of rows, each with its place; scrolling and End reach the last', async () => {
  const submit = async (n: number) => {
    const workflow = image({ steps: 100_000 });
    return gateway.pipeline.submit({ workflow, type: 'image_generation', userId: 'ada', characterId: `number-${n}` });
  };
  // One after the other, so that the order is known.
  const first = await submit(0);
  for (let n = 1; n < MANY - 1; n += AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, MANY - 1 - n) }, (_, k) => submit(n + k)));
  }
  const last = await submit(MANY - 1);

  const { page, troubles } = await openScreen(browser, { viewport: { width: 1200, height: 800 } });
  await page.goto(gateway.url);
  await untilTrue(page, `document.querySelector('.job')?.getAttribute('aria-setsize') === '${MANY}'`);
  const rows = () => page.locator('.job').count();
  expect(await rows()).toBeLessThan(MOST_ROWS);
  expect(await jobIn(page, last.promptId).count()).toBe(0);
  await untilTrue(page, `document.title === '(1) ComfyUI jobs'`);

  await page.evaluate('scrollTo(0, document.body.scrollHeight)');
  await jobIn(page, last.promptId).getByRole('link').waitFor();
  expect(await jobIn(page, last.promptId).getAttribute('aria-posinset')).toBe(`${MANY}`);
  expect(await rows()).toBeLessThan(MOST_ROWS);

  await page.evaluate('scrollTo(0, document.body.scrollHeight / 2)');
  await jobIn(page, last.promptId).waitFor({ state: 'detached' });
  expect(await rows()).toBeLessThan(MOST_ROWS);

  // From its end the list is one key away from its start, and the row with the focus is there, wherever one scrolls.
  await page.locator('.job a[tabindex="0"]').focus();
  await page.keyboard.press('End');
  await untilTrue(page, `document.activeElement.closest('[data-job]')?.dataset.job === '${last.promptId}'`);
  await page.evaluate('scrollTo(0, 0)');
  await jobIn(page, first.promptId).getByText('Running').waitFor();
  expect(await page.evaluate(`document.activeElement.closest('[data-job]')?.dataset.job`)).toBe(last.promptId);
  await page.keyboard.press('Home');
  await untilTrue(page, `document.activeElement.closest('[data-job]')?.dataset.job === '${first.promptId}'`);
  expect(await rows()).toBeLessThan(MOST_ROWS);

  // A change of one job among them is seen.
  await gateway.pipeline.cancel(first.promptId);
  await page.getByLabel('Text', { exact: true }).fill(first.promptId);
  await jobIn(page, first.promptId).getByText('Cancelled').waitFor();
  expect(troubles).toEqual([]);
  await page.close();
});
