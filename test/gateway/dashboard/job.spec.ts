import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { startChromium } from '../../support/programs/chromium';
import { startComfyUI, type ComfyUIStandIn } from '../../support/comfyui/stand-in';
import { image, nodeError, outOfMemory, rejected, steps, twoOutputs } from '../../support/comfyui/workflows';
import { freePort } from '../../support/network/ports';
import { startService, type Service } from '../../support/programs/service';
import { asking } from '../support/http/asking';
import { png, textChunk } from '../support/dashboard/saved-files';
import { dropFile, jobIn, jobUrl, notingProgress, openScreen, progressWhere } from '../support/dashboard/screen';

let browser: Browser;
let comfy: ComfyUIStandIn;
let folder: string;
let service: Service;
let page: Page;
let troubles: readonly string[];

const start = (port: number | string) =>
  startService({ COMFYUI_URL: comfy.url, DATA_DIR: join(folder, 'data'), PORT: `${port}` });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dashboard-'));
  comfy = await startComfyUI({ version: '0.33.0' });
  [service, browser] = await Promise.all([start(await freePort()), startChromium()]);
});
afterAll(async () => {
  await browser.close();
  await service.kill();
  await comfy.stop();
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  ({ page, troubles } = await openScreen(browser));
});
afterEach(async () => {
  letGo();
  await page.close();
  expect(troubles).toEqual([]);
});

const submitted = async (workflow: ReturnType<typeof image>): Promise<string> => {
  const body = { workflow, type: 'image_generation', userId: 'ada' };
  return String((await asking(service)('POST', '/jobs', { body })).json['promptId']);
};
/** Jobs go no further than this step until they are let go, however long a browser takes to look at them. */
const holdAt = (step: number): void => void (comfy.faults.mostSteps = step);
const letGo = (): void => holdAt(Infinity);
const openJob = (promptId: string) => page.goto(jobUrl(service.url, promptId));
const status = (text: string) => page.locator('.now .status', { hasText: text });
const isRising = (seen: readonly number[]) => seen.every((value, n) => n === 0 || value >= seen[n - 1]!);
const idInAddress = () => page.url().split('/#/jobs/')[1]!;

async function submitByDropping(workflow: ReturnType<typeof image>): Promise<string> {
  await page.goto(service.url);
  await page.locator('[data-link="connected"]').waitFor();
  await dropFile(page, 'lighthouse.json', JSON.stringify(workflow));
  await page.getByText('lighthouse.json').waitFor();
  await page.getByLabel('User').last().fill('ada');
  await page.getByRole('button', { name: 'Submit', exact: true }).click();
  await page.waitForURL('**/#/jobs/*');
  return idInAddress();
}

test('a dropped file becomes a job that is watched to its end: bar, preview, nodes, outputs', async () => {
  const noted = await notingProgress(page);
  holdAt(4);
  const promptId = await submitByDropping(twoOutputs());
  await progressWhere(noted, (values) => values.some((value) => value > 0));
  holdAt(12);
  await page.locator('.stage img[src^="blob:"]').waitFor();
  letGo();
  const seen = await progressWhere(noted, (values) => values.at(-1) === 100);
  expect(isRising(seen)).toBe(true);
  await status('Completed').waitFor();
  await page.locator('.nodes tr[data-node="2"]').waitFor();
  await page.locator('.nodes tr[data-node="5"]').waitFor();
  await page.locator('.tile img[src^="blob:"]').first().waitFor();
  await page.locator('.tile').first().click();
  await page.locator('.viewer img').waitFor();
  expect(
    await page.evaluate(
      `document.querySelector('.viewer img').decode().then(() => document.querySelector('.viewer img').naturalWidth)`,
    ),
  ).toBe(64);
  await page.getByRole('button', { name: 'Close' }).click();
  await page.getByText('Image completed.').waitFor();
  expect(comfy.executions.get(promptId)).toBe(1);
});

test.each([
  ['lighthouse.png', '12345678901234567891', (text: string) => png(textChunk('prompt', text))],
  ['lighthouse.json', '18446744073709551615', (text: string) => text],
])('[R18] %s reaches ComfyUI as it was dropped, byte for byte, with the seed %s', async (name, seed, fileOf) => {
  await page.goto(service.url);
  await page.locator('[data-link="connected"]').waitFor();
  const text = JSON.stringify(image({ steps: 1 }), null, 1).replace(/("seed": )\d+/, `$1${seed}`);
  await dropFile(page, name, fileOf(text));
  await page.getByText(name).waitFor();
  await page.getByLabel('User').last().fill('ada');
  const before = comfy.posted.length;
  await page.getByRole('button', { name: 'Submit', exact: true }).click();
  await page.waitForURL('**/#/jobs/*');
  await status('Completed').waitFor();
  expect(comfy.posted.slice(before)).toEqual([expect.stringContaining(`"prompt":${text},`)]);
  const ran = comfy.executedWorkflows.at(-1)!.workflow;
  expect(Object.values(ran).map(({ inputs }) => String(inputs['seed']))).toContain(seed);
});

test('a reload in the middle goes on where the job is, and knows the nodes it saw', async () => {
  const noted = await notingProgress(page);
  holdAt(15);
  const promptId = await submitted(steps({ steps: 60, secondsPerStep: 0.05 }));
  await openJob(promptId);
  await progressWhere(noted, (values) => Number(values.at(-1)) > 10);
  await page.locator('.nodes tr[data-node="2"]').waitFor();
  await page.reload();
  holdAt(45);
  const after = await progressWhere(noted, (values) => Number(values.at(-1)) > 30);
  expect(isRising(after)).toBe(true);
  await page.locator('.nodes tr[data-node="2"]').waitFor();
  letGo();
  await progressWhere(noted, (values) => values.at(-1) === 100);
  expect(isRising(await noted())).toBe(true);
});

test('the service is killed and started again: the page says so, goes on by itself, and never goes back', async () => {
  const noted = await notingProgress(page);
  holdAt(15);
  const promptId = await submitted(steps({ steps: 60, secondsPerStep: 0.05, previewEvery: 5 }));
  await openJob(promptId);
  await progressWhere(noted, (values) => Number(values.at(-1)) > 10);
  await service.kill();
  // Meanwhile it goes on, and nobody watches.
  holdAt(30);
  await page.locator('[data-link="reconnecting"]').waitFor();
  await page.getByText(/^No news since/).waitFor();
  await page.getByText(/^no news for/).waitFor();
  expect(await page.getByRole('progressbar').count()).toBe(1);
  service = await start(new URL(service.url).port);
  await page.locator('[data-link="connected"]').waitFor();
  holdAt(45);
  await progressWhere(noted, (values) => Number(values.at(-1)) > 30);
  letGo();
  const seen = await progressWhere(noted, (values) => values.at(-1) === 100);
  expect(isRising(seen)).toBe(true);
  await status('Completed').waitFor();
  await page.locator('.tile img').first().waitFor();
  // By its own history, or by that of the service that is new.
  await page.getByText(/For a while nobody watched|It ran already when it was first watched/).waitFor();
});

test('cancel asks twice and stops the job', async () => {
  holdAt(1);
  const promptId = await submitted(image());
  await openJob(promptId);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Keep it running' }).click();
  expect(await page.evaluate('document.activeElement.textContent')).toBe('Cancel');
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Really cancel?' }).click();
  await status('Cancelled').waitFor();
});

test.each([
  ['an error of a node', nodeError, 'A node failed', '2', 'TestSyncError'],
  ['a want of memory', outOfMemory, 'Out of memory', '2', 'OutOfMemory'],
])('%s is explained: what it means, at which node, what to do', async (_name, workflow, title, nodeId, nodeType) => {
  await openJob(await submitted(workflow()));
  await page.getByRole('heading', { name: title }).waitFor();
  const node = page.locator(`.complaints [data-node="${nodeId}"]`);
  expect(await node.textContent()).toContain(nodeType);
  expect((await node.locator('li').textContent())?.length).toBeGreaterThan(5);
  await page.getByText('What to do.').waitFor();
});

test('a refused workflow is a job whose page says which inputs of which nodes are wrong', async () => {
  await submitByDropping(rejected());
  await page.getByRole('heading', { name: 'Refused by ComfyUI' }).waitFor();
  await page.getByText('ComfyUI refused 1 image job').waitFor();
  const complaints = page.locator('.complaints > li');
  expect(await complaints.count()).toBeGreaterThan(1);
  expect(await page.locator('.complaints [data-node="1"]').textContent()).toContain('height');
});

test('a job of this tab is run again with other seeds, also after a reload', async () => {
  const first = await submitByDropping(image({ steps: 2, secondsPerStep: 0.05, seed: 7 }));
  await status('Completed').waitFor();
  await page.reload();
  await page.getByRole('button', { name: 'Run again' }).click();
  await page.getByText('The same workflow').waitFor();
  await page.getByRole('button', { name: 'Submit', exact: true }).click();
  await page.waitForURL((url) => !url.hash.endsWith(first));
  await status('Completed').waitFor();
  expect(comfy.executions.get(idInAddress())).toBe(1);
  const [one, other] = comfy.executedWorkflows.slice(-2).map(({ workflow }) => workflow['5']!.inputs);
  expect(one!['seed']).toBe(7);
  expect(other!['seed']).not.toBe(7);
  expect({ ...other, seed: 7 }).toEqual(one);
});

test('a job of elsewhere is run again with its file, as the same type and user', async () => {
  await openJob(await submitted(outOfMemory()));
  await page.getByRole('button', { name: 'Run again' }).click();
  await page.getByText('The service keeps no workflows').waitFor();
  expect(await page.getByRole('button', { name: 'Submit', exact: true }).isDisabled()).toBe(true);
  await dropFile(page, 'smaller.json', JSON.stringify(steps({ steps: 1 })));
  await page.getByRole('button', { name: 'Submit', exact: true }).click();
  await status('Completed').waitFor();
  expect(await page.locator('.facts').textContent()).toContain('ada');
});

test('a job that is not there says so', async () => {
  await openJob('00000000-0000-4000-8000-000000000000');
  await page.getByRole('alert').getByText('There is no such job').waitFor();
});

test('a page that is opened late knows all nodes from the service; what nobody saw it says', async () => {
  holdAt(30);
  const promptId = await submitted({
    ...steps({ steps: 40, secondsPerStep: 0.05 }),
    '9': { class_type: 'StepsWithProgress', inputs: { ...steps({ steps: 300 })['2']!.inputs, image: ['2', 0] } },
    '10': { class_type: 'PreviewImage', inputs: { images: ['9', 0] } },
  });
  await page.goto(service.url);
  await jobIn(page, promptId).getByText('StepsWithProgress').waitFor();
  await openJob(promptId);
  await page.locator('.nodes tr[data-node="2"]').waitFor();
  holdAt(100);
  await page.locator('.nodes tr[data-node="9"]').waitFor();
  const late = await openScreen(browser);
  await late.page.goto(jobUrl(service.url, promptId));
  await late.page.locator('.nodes tr[data-node="2"]').waitFor();
  await late.page
    .locator('.nodes')
    .getByText(/^Waited/)
    .waitFor();
  await late.page.close();

  await service.kill();
  service = await start(new URL(service.url).port);
  const later = await openScreen(browser);
  await later.page.goto(jobUrl(service.url, promptId));
  await later.page.getByText('It ran already when it was first watched').waitFor();
  await later.page.close();
  await asking(service)('POST', `/jobs/${promptId}/cancel`);
});
