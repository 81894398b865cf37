import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { startChromium } from '../programs/chromium';

const ROOT = join(__dirname, '../../..');
const IMAGES = join(ROOT, 'docs/images');
const DESK = { width: 1200, height: 720 };
const PHONE = { width: 360, height: 720 };

/** Starts the demo, waits until there is something to see, and pictures it into docs/images/. */
async function main(): Promise<void> {
  const demo = spawn(process.execPath, ['--import', 'tsx', 'test/support/demo/demo.ts'], {
    cwd: ROOT,
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const browser = await startChromium();
  try {
    await pictures(browser, await addressIn(demo.stdout));
  } finally {
    await browser.close();
    const ended = once(demo, 'close');
    demo.kill('SIGTERM');
    await ended;
  }
}

async function addressIn(output: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const chunk of output) {
    text += String(chunk);
    const [, url] = /Dashboard\s+(http:\S+)\//.exec(text) ?? [];
    if (url !== undefined) return url;
  }
  throw new Error(`the demo ended: ${text}`);
}

async function pictures(browser: Browser, url: string): Promise<void> {
  // One page sees the jobs from their start, so that it knows their nodes.
  const page = await opened(browser, url, { viewport: DESK });
  const row = (standing: string) => page.locator(`.job[data-standing="${standing}"]`);
  await row('completed').nth(2).waitFor({ timeout: 90_000 });
  await row('failed').nth(1).waitFor({ timeout: 90_000 });
  await page.locator('.job[data-standing="processing"] .picture img').first().waitFor({ timeout: 90_000 });
  await row('processing').nth(1).waitFor();
  await page
    .getByText(/~ .* left/)
    .first()
    .waitFor();
  await shoot(page, 'dashboard');

  await page.emulateMedia({ colorScheme: 'dark' });
  await shoot(page, 'dashboard-dark');
  await page.emulateMedia({ colorScheme: 'light' });

  const phone = await opened(browser, url, { viewport: PHONE, isMobile: true, hasTouch: true, deviceScaleFactor: 2 });
  await phone.locator('.job .picture img').first().waitFor();
  await shoot(phone, 'dashboard-phone');
  await phone.close();

  await row('failed').first().getByRole('link').click();
  await page.getByText('What to do.').waitFor();
  await shoot(page, 'dashboard-failed');

  await page.goBack();
  const sheet = page.locator('.job[data-standing="processing"]', { hasText: 'Character sheet' });
  await sheet.waitFor({ timeout: 120_000 });
  await sheet.getByRole('link').click();
  await page.locator('.nodes tbody tr').nth(5).waitFor({ timeout: 60_000 });
  await page.locator('.stage img').waitFor();
  await shoot(page, 'dashboard-job');
}

async function opened(browser: Browser, url: string, options: BrowserContextOptions): Promise<Page> {
  const page = await browser.newPage({ colorScheme: 'light', ...options });
  await page.goto(url);
  await page.locator('[data-link="connected"]').waitFor();
  await page.locator('.job').first().waitFor();
  return page;
}

const shoot = async (page: Page, name: string): Promise<void> => {
  await page.screenshot({ path: join(IMAGES, `${name}.png`), animations: 'disabled', caret: 'hide' });
  console.log(`docs/images/${name}.png`);
};

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
