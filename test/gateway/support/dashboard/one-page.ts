import type { Browser, Page } from 'playwright-core';
import { startChromium } from '../../../support/programs/chromium';
import { image } from '../../../support/comfyui/workflows';
import { jobIn, openScreen } from './screen';
import { runningGateway, type RunningGateway } from '../running-gateway';
import { testAuth, tokenOf } from '../admission/tokens';

/** The one browser, gateway and page of a spec; the page is new for each test. */
export let browser: Browser;
export let gateway: RunningGateway;
export let page: Page;
let troubles: readonly string[];

/** Gives the spec its browser and gateway, and each test a page without anything in it, in which nothing may go wrong. */
export function onePage(): void {
  beforeAll(async () => {
    browser = await startChromium();
    gateway = await runningGateway({ auth: testAuth });
  });
  beforeEach(async () => {
    ({ page, troubles } = await openScreen(browser));
  });
  afterEach(async () => {
    gateway.comfy.faults.mostSteps = Infinity;
    await page.close();
    expect(troubles).toEqual([]);
  });
  afterAll(async () => {
    await browser.close();
    await gateway.close();
  });
}

export const service = { sub: 'ops', role: 'service' };
export const open = async (claims: Record<string, string>, rest = '') =>
  page.goto(`${gateway.url}/#token=${await tokenOf(claims)}${rest}`);
export const submit = (workflow: ReturnType<typeof image>, userId: string, more = {}) =>
  gateway.pipeline.submit({ workflow, type: 'image_generation', userId, ...more });
export const row = (promptId: string) => jobIn(page, promptId);
