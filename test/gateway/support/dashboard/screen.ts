import { source as axeSource } from 'axe-core';
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { eventually, PATIENCE_MS } from '../../../support/until';

/** A page of a browser of its own kind, and what went wrong in it. */
export interface Screen {
  readonly page: Page;
  /** Uncaught errors and what the console calls errors; a lost connection is none. */
  readonly troubles: readonly string[];
}

/** Lost and refused requests are what some tests are about. */
const EXPECTED = /net::ERR|Failed to load resource|WebSocket connection to/;

export async function openScreen(browser: Browser, options: BrowserContextOptions = {}): Promise<Screen> {
  // Whatever moves is drawn by this machine's processors, sixty times a second.
  const page = await browser.newPage({ reducedMotion: 'reduce', ...options });
  page.setDefaultTimeout(PATIENCE_MS);
  const troubles: string[] = [];
  page.on('pageerror', ({ message }) => troubles.push(message));
  page.on('console', (message) => {
    if (message.type() === 'error' && !EXPECTED.test(message.text())) troubles.push(message.text());
  });
  return { page, troubles };
}

/** A job's row in the list, or its page. */
export const jobIn = (page: Page, promptId: string): Locator => page.locator(`[data-job="${promptId}"]`);

export const jobUrl = (url: string, promptId: string): string => `${url}/#/jobs/${promptId}`;

/** Drops a file as a browser does: what is dragged enters, is over, and falls. */
export async function dropFile(page: Page, name: string, content: string | Uint8Array): Promise<void> {
  await page.evaluate(`(() => {
    const dataTransfer = new DataTransfer();
    const content = ${JSON.stringify(typeof content === 'string' ? content : [...content])};
    const part = typeof content === 'string' ? content : new Uint8Array(content);
    dataTransfer.items.add(new File([part], ${JSON.stringify(name)}));
    for (const type of ['dragenter', 'dragover', 'drop'])
      document.body.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer }));
  })()`);
}

/**
 * From now on, over reloads too, notes every value that the bar of a job's page shows. To be called before the page is
 * opened.
 */
export async function notingProgress(page: Page): Promise<() => Promise<readonly number[]>> {
  await page.addInitScript(`
    const note = () => {
      const bar = document.querySelector('.now [role=progressbar]');
      if (bar === null) return;
      const seen = JSON.parse(sessionStorage.getItem('seen') ?? '[]');
      const value = Number(bar.getAttribute('aria-valuenow'));
      if (seen.at(-1) !== value) sessionStorage.setItem('seen', JSON.stringify([...seen, value]));
    };
    new MutationObserver(note).observe(document, { subtree: true, childList: true, attributeFilter: ['aria-valuenow'] });
  `);
  return () => page.evaluate<number[]>(`JSON.parse(sessionStorage.getItem('seen') ?? '[]')`);
}

/** Waits until the notes fit, and gives them. */
export async function progressWhere(
  noted: () => Promise<readonly number[]>,
  fits: (seen: readonly number[]) => boolean,
): Promise<readonly number[]> {
  let seen: readonly number[] = [];
  await eventually(async () => {
    seen = await noted();
    expect(fits(seen)).toBe(true);
  });
  return seen;
}

/** What axe finds wrong with the page as it is, a line each; with `rules`, by those alone. */
export async function violationsOf(page: Page, rules?: readonly string[]): Promise<readonly string[]> {
  if (!(await page.evaluate<boolean>(`'axe' in window`))) await page.evaluate(axeSource);
  const only = rules === undefined ? {} : { runOnly: rules };
  const { violations, passed } = await page.evaluate<{ violations: string[]; passed: string[] }>(`
    axe.run(document, ${JSON.stringify(only)}).then(({ violations, passes }) => ({
      violations: violations.flatMap(({ id, help, nodes }) =>
        nodes.map(({ target, failureSummary }) => id + ': ' + help + ' ' + target + ' ' + failureSummary),
      ),
      passed: passes.map(({ id }) => id),
    }))`);
  // Else it looked at nothing.
  expect(passed).toEqual(
    expect.arrayContaining(rules === undefined ? ['color-contrast', 'button-name'] : ['color-contrast']),
  );
  return violations;
}

/** Waits until an expression is true in the page; `waitForFunction` would need `unsafe-eval` of the page's policy. */
export async function untilTrue(page: Page, expression: string): Promise<void> {
  let now: unknown;
  await eventually(async () => {
    now = await page.evaluate(expression);
    expect({ expression, now }).toEqual({ expression, now: true });
  });
}
