import type { Browser, Page } from 'playwright-core';
import { startChromium } from '../../support/programs/chromium';
import { image, outOfMemory, steps } from '../../support/comfyui/workflows';
import { dropFile, jobIn, openScreen, untilTrue } from '../support/dashboard';
import { eventually } from '../../support/until';
import { runningGateway, type RunningGateway } from '../support/running-gateway';
import { settled, stateWhere } from '../support/settled';
import { testAuth, tokenOf } from '../support/admission/tokens';

let browser: Browser;
let gateway: RunningGateway;
let page: Page;
let troubles: readonly string[];

beforeAll(async () => {
  browser = await startChromium();
  gateway = await runningGateway({ auth: testAuth });
});
afterAll(async () => {
  await browser.close();
  await gateway.close();
});
beforeEach(async () => {
  ({ page, troubles } = await openScreen(browser));
});
afterEach(async () => {
  await page.close();
  expect(troubles).toEqual([]);
});

const service = { sub: 'ops', role: 'service' };
const open = async (claims: Record<string, string>, rest = '') =>
  page.goto(`${gateway.url}/#token=${await tokenOf(claims)}${rest}`);
const submit = (workflow: ReturnType<typeof image>, userId: string, more = {}) =>
  gateway.pipeline.submit({ workflow, type: 'image_generation', userId, ...more });
const row = (promptId: string) => jobIn(page, promptId);

test('a row shows what its job does, its bar goes up to the end, with a picture on the way', async () => {
  await open({ sub: 'rows' });
  gateway.comfy.faults.mostSteps = 10;
  const { promptId } = await submit(steps({ steps: 40, secondsPerStep: 0.25, previewEvery: 2 }), 'rows');
  const bar = row(promptId).getByRole('progressbar');
  const pictured = row(promptId).locator('.picture img[src^="blob:"]').waitFor();
  await row(promptId).getByText('StepsWithProgress').waitFor();
  const seen: number[] = [];
  const look = async (): Promise<number> => seen[seen.push(Number(await bar.getAttribute('aria-valuenow'))) - 1]!;
  // However slow the eyes, they see it three times on its way.
  for (const [least, step] of [
    [5, 20],
    [20, 30],
    [40, Infinity],
  ] as const) {
    await eventually(async () => expect(await look()).toBeGreaterThan(least));
    gateway.comfy.faults.mostSteps = step;
  }
  await eventually(async () => expect(await look()).toBe(100));
  await pictured;
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
  await row(promptId).getByText('Completed').waitFor();
  const color = () =>
    page.evaluate(`getComputedStyle(document.querySelector('[data-job="${promptId}"] .status')).color`);
  const changed = await color();
  await page.reload();
  await row(promptId).getByText('Completed').waitFor();
  expect(changed).toBe(await color());
});

test('the tab tells how many jobs run', async () => {
  const { promptId } = await submit(image({ steps: 3000 }), 'titles');
  await stateWhere(gateway.pipeline, promptId, ({ status }) => status === 'processing');
  await open({ sub: 'titles' });
  await untilTrue(page, `document.title === '(1) ComfyUI jobs'`);
  await gateway.pipeline.cancel(promptId);
  await untilTrue(page, `document.title === 'ComfyUI jobs'`);
});

test('what users wrote is text', async () => {
  const nasty = '<img src=x onerror="window.owned=1"><script>window.owned=1</script>';
  const workflow = { ...image(), '9': { ...image()['9']!, _meta: { title: nasty } } };
  const { promptId } = await submit(workflow, 'nasty', { type: nasty, characterId: nasty });
  await settled(gateway.pipeline, promptId);
  await open({ sub: 'nasty' });
  await row(promptId).getByRole('link').click();
  await page.getByRole('heading', { level: 1 }).getByText('<img src=x').first().waitFor();
  expect(await page.evaluate('window.owned')).toBeUndefined();
});

test('a user sees their own jobs only', async () => {
  const mine = await submit(outOfMemory(), 'ada');
  const others = await submit(outOfMemory(), 'bob');
  await open({ sub: 'ada' });
  await row(mine.promptId).waitFor();
  expect(await row(others.promptId).count()).toBe(0);
});

test('jobs are filtered by status, type, user and text, and the filter is in the address', async () => {
  const failed = await submit(outOfMemory(), 'filter-one', { type: 'face_swap', characterId: 'zelda' });
  const done = await submit(image({ steps: 1 }), 'filter-two');
  await Promise.all([settled(gateway.pipeline, failed.promptId), settled(gateway.pipeline, done.promptId)]);
  await open(service);
  await row(done.promptId).waitFor();
  const onlyFailed = async () => {
    await row(done.promptId).waitFor({ state: 'detached' });
    await row(failed.promptId).waitFor();
  };
  const both = () => row(done.promptId).waitFor();

  await page.locator('.segments label', { hasText: 'Failed' }).click();
  await onlyFailed();
  await page.reload();
  await onlyFailed();
  expect(page.url()).toContain('#/?status=failed');
  await page.locator('.segments label', { hasText: 'All' }).click();
  await both();
  await page.getByRole('combobox', { name: 'Type' }).selectOption('face_swap');
  await onlyFailed();
  await page.getByRole('combobox', { name: 'Type' }).selectOption('');
  await both();
  await page.getByLabel('User').fill('filter-one');
  await onlyFailed();
  await page.getByLabel('User').fill('');
  await both();
  await page.getByLabel('Text', { exact: true }).fill('zelda');
  await onlyFailed();
  await page.getByLabel('Text', { exact: true }).fill('nothing like it');
  await page.getByText('No job matches').waitFor();
});

test('without a token it asks for one, keeps it out of the address, and goes on', async () => {
  const { promptId } = await submit(outOfMemory(), 'asked');
  await page.goto(gateway.url);
  await page.getByRole('heading', { name: 'A token is needed' }).waitFor();
  await page.getByLabel('Token', { exact: true }).fill('not a token');
  await page.getByRole('button', { name: 'Show jobs' }).click();
  await page.getByText('does not take that token').waitFor();
  await page.getByLabel('Token', { exact: true }).fill(await tokenOf({ sub: 'asked' }));
  await page.getByRole('button', { name: 'Show jobs' }).click();
  await row(promptId).waitFor();
  await page.locator('[data-link="connected"]').waitFor();
  expect(page.url()).toBe(`${gateway.url}/`);
  await page.reload();
  await row(promptId).waitFor();
  expect(await page.evaluate('localStorage.length')).toBe(0);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'A token is needed' }).waitFor();
  expect(await page.evaluate(`Object.values(sessionStorage).some((kept) => kept.includes('eyJ'))`)).toBe(false);
});

test('a token is taken with or without its Bearer, and why one is refused is told', async () => {
  await page.goto(gateway.url);
  const give = async (token: string) => {
    await page.getByLabel('Token', { exact: true }).fill(token);
    await page.getByRole('button', { name: 'Show jobs' }).click();
  };
  await give('not a token');
  await page.getByRole('alert').getByText('no JSON Web Token').waitFor();
  await give(await tokenOf({ sub: 'ada' }, { expires: '1h ago' }));
  await page.getByRole('alert').getByText('It ran out on').waitFor();
  await give(`Authorization: Bearer ${await tokenOf({ sub: 'bearer' })}`);
  await page.locator('[data-link="connected"]').waitFor();
  await page.locator('.who-am-i').getByText('bearer').waitFor();
});

test('a second tab is signed in by the first, and out with it', async () => {
  const context = await browser.newContext();
  const first = await context.newPage();
  await first.goto(`${gateway.url}/#token=${await tokenOf({ sub: 'tabs' })}`);
  await first.locator('[data-link="connected"]').waitFor();
  const second = await context.newPage();
  await second.goto(gateway.url);
  await second.locator('.who-am-i').getByText('tabs').waitFor();
  await first.getByRole('button', { name: 'Sign out' }).click();
  await second.getByRole('heading', { name: 'A token is needed' }).waitFor();
  await context.close();
});

test('a link does not exchange who is signed in without asking, not in a new tab either', async () => {
  const context = await browser.newContext();
  const first = await context.newPage();
  const link = `${gateway.url}/#token=${await tokenOf({ sub: 'mallory' })}`;
  await first.goto(`${gateway.url}/#token=${await tokenOf({ sub: 'ada' })}`);
  await first.locator('.who-am-i').getByText('ada').waitFor();
  const second = await context.newPage();
  for (const each of [first, second]) {
    await each.goto(link);
    await each.getByRole('button', { name: 'Stay ada' }).click();
    await each.locator('.who-am-i').getByText('ada').waitFor();
    expect(each.url()).not.toContain('token');
  }
  await second.goto(link);
  await second.getByRole('button', { name: 'Switch to mallory' }).click();
  await second.locator('.who-am-i').getByText('mallory').waitFor();
  await context.close();
});

test.each(['%', '', 'a%20b%', '%00'])('a link whose token is %p says so and shows the page', async (token) => {
  await page.goto(`${gateway.url}/#token=${token}`);
  await page.getByText('The token in that link cannot be read').waitFor();
  await page.getByRole('heading', { name: 'A token is needed' }).waitFor();
});

test('what was cancelled has a standing of its own; several are shown together', async () => {
  const failed = await submit(outOfMemory(), 'standings');
  await settled(gateway.pipeline, failed.promptId);
  const running = await submit(image({ steps: 3000 }), 'standings');
  await stateWhere(gateway.pipeline, running.promptId, ({ status }) => status === 'processing');
  const waiting = await submit(image(), 'standings');
  await gateway.pipeline.cancel(waiting.promptId);
  await settled(gateway.pipeline, waiting.promptId);
  await open({ sub: 'standings' });
  await row(waiting.promptId).getByText('while waiting').waitFor();
  const segment = (name: string) => page.locator('.segments label', { hasText: name });
  await segment('Cancelled').click();
  await row(failed.promptId).waitFor({ state: 'detached' });
  await row(running.promptId).waitFor({ state: 'detached' });
  await segment('Failed').click();
  await row(failed.promptId).waitFor();
  await row(waiting.promptId).waitFor();
  expect(page.url()).toContain('#/?status=failed,cancelled');
  await row(waiting.promptId).getByRole('link').click();
  await page.getByText('Cancelled while waiting; no node ran.').waitFor();
  await gateway.pipeline.cancel(running.promptId);
});

test('an id that is pasted is found wherever the list has got to, and Enter opens it', async () => {
  const { promptId } = await submit(outOfMemory(), 'jump');
  await settled(gateway.pipeline, promptId);
  // As if it were beyond every page.
  await page.route(/\/jobs\?/, (route) => route.fulfill({ json: { jobs: [] } }));
  await open({ sub: 'jump' });
  await page.getByText('No jobs yet').waitFor();
  await page.getByLabel('Text', { exact: true }).fill(promptId);
  await row(promptId).waitFor();
  await page.getByLabel('Text', { exact: true }).press('Enter');
  await page.getByRole('heading', { name: 'Out of memory' }).waitFor();
});

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
    await other.pipeline.submit({ workflow: image({ steps: 4000 }), type: 'image_generation', userId: 'ada' });
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

test('a file that is no workflow is explained and not submitted', async () => {
  await open({ sub: 'files' });
  await page.locator('[data-link="connected"]').waitFor();
  await dropFile(page, 'notes.txt', 'hello');
  await page.getByText('This is not a JSON file').waitFor();
  await dropFile(page, 'editor.json', JSON.stringify({ nodes: [], links: [] }));
  await page.getByText('in the format of ComfyUI’s editor').waitFor();
  expect(await page.locator('dialog').getByLabel('User').inputValue()).toBe('files');
  expect(await page.locator('dialog').getByLabel('User').isEditable()).toBe(false);
  expect(await page.getByRole('button', { name: 'Submit', exact: true }).isDisabled()).toBe(true);
});

test('by keyboard: Tab to the list, arrows and End within, Enter opens, and back is where one was', async () => {
  const first = await submit(outOfMemory(), 'keys');
  await settled(gateway.pipeline, first.promptId);
  const second = await submit(outOfMemory(), 'keys');
  await settled(gateway.pipeline, second.promptId);
  await open({ sub: 'keys' });
  await row(first.promptId).waitFor();
  await page.getByLabel('Text', { exact: true }).focus();
  await page.keyboard.press('Tab');
  const focused = () => page.evaluate<string>(`document.activeElement.closest('[data-job]')?.dataset.job`);
  expect(await focused()).toBe(second.promptId);
  await page.keyboard.press('End');
  await untilTrue(page, `document.activeElement.closest('[data-job]')?.dataset.job === '${first.promptId}'`);
  await page.keyboard.press('ArrowUp');
  await untilTrue(page, `document.activeElement.closest('[data-job]')?.dataset.job === '${second.promptId}'`);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'Image' }).waitFor();
  expect(await page.evaluate('document.activeElement.tagName')).toBe('H1');
  await page.goBack();
  await untilTrue(page, `document.activeElement.closest('[data-job]')?.dataset.job === '${second.promptId}'`);
});
