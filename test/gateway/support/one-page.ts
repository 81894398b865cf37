import type { Browser, Page } from 'playwright-core';
import { startChromium } from '../../support/programs/chromium';
import { image } from '../../support/comfyui/workflows';
import { jobIn, openScreen } from './dashboard';
import { runningGateway, type RunningGateway } from './running-gateway';
import { testAuth, tokenOf } from './admission/tokens';

/** The one browser, gateway and page of a spec; the page is new for each test. */
export let browser: Browser;
export let gateway: RunningGateway;
export let page: Page;
let troubles: readonly string[];

export const openBrowser = async () => {
  browser = await startChromium();
  gateway = await runningGateway({ auth: testAuth });
};

export const closeBrowser = async () => {
  await browser.close();
  await gateway.close();
};

/** A page without anything in it. */
export const openPage = async () => {
  ({ page, troubles } = await openScreen(browser));
};

/** Closes the page, in which nothing may have gone wrong. */
export const closePage = async () => {
  await page.close();
  expect(troubles).toEqual([]);
};

export const service = { sub: 'ops', role: 'service' };
export const open = async (claims: Record<string, string>, rest = '') =>
  page.goto(`${gateway.url}/#token=${await tokenOf(claims)}${rest}`);
export const submit = (workflow: ReturnType<typeof image>, userId: string, more = {}) =>
  gateway.pipeline.submit({ workflow, type: 'image_generation', userId, ...more });
export const row = (promptId: string) => jobIn(page, promptId);
