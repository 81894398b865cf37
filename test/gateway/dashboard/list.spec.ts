import { image, outOfMemory, steps } from '../../support/comfyui/workflows';
import { dropFile, untilTrue } from '../support/dashboard/screen';
import { eventually } from '../../support/until';
import { settled, stateWhere } from '../support/settled';
import { gateway, onePage, open, page, row, service, submit } from '../support/dashboard/one-page';

onePage();

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
  gateway.comfy.faults.mostSteps = 1;
  const { promptId } = await submit(image(), 'titles');
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

test('what was cancelled has a standing of its own; several are shown together', async () => {
  const failed = await submit(outOfMemory(), 'standings');
  await settled(gateway.pipeline, failed.promptId);
  gateway.comfy.faults.mostSteps = 1;
  const running = await submit(image(), 'standings');
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
