import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { startChromium } from '../../support/programs/chromium';
import { startService, type Service } from '../../support/programs/service';
import { jobUrl, openScreen, untilTrue, violationsOf } from '../support/dashboard/screen';
import { asking } from '../support/http/asking';

let browser: Browser;
let folder: string;
let service: Service;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dashboard-'));
  const settings = { COMFYUI_URL: 'http://127.0.0.1:9', DATA_DIR: folder };
  [service, browser] = await Promise.all([startService(settings), startChromium()]);
});
afterAll(async () => {
  await browser.close();
  await service.kill();
  await rm(folder, { recursive: true });
});

test('a job that reports itself shows what it does, its metrics as curves, and links to what it made', async () => {
  const ask = asking(service);
  const opened = await ask('POST', '/jobs', {
    body: { type: 'lora_training', userId: 'ada', reported: { steps: 10 } },
  });
  const promptId = String(opened.json['promptId']);
  const report = async (count: number, more: object): Promise<void> => {
    expect(await ask('POST', `/jobs/${promptId}/report`, { body: { count, ...more } })).toMatchObject({ status: 200 });
  };
  const step = (value: number, loss: number) =>
    report(value, { value, max: 10, stage: 'training', message: `epoch ${value}`, metrics: { loss, lr: 1e-4 } });
  for (const value of [1, 2, 3]) await step(value, 0.5 - value / 10);

  const { page, troubles } = await openScreen(browser);
  await page.goto(jobUrl(service.url, promptId));
  await page.locator('.now .doing', { hasText: 'training' }).waitFor();
  await page.locator('.now .steps', { hasText: '3 / 10' }).waitFor();
  await page.getByText('epoch 3').waitFor();
  const loss = page.locator('[data-metric="loss"]');
  await loss.locator('strong', { hasText: '0.2' }).waitFor();
  const points = `document.querySelector('[data-metric="loss"] polyline').points.numberOfItems`;
  await untilTrue(page, `${points} === 3`);
  await step(4, 0.45);
  await loss.locator('strong', { hasText: '0.45' }).waitFor();
  await untilTrue(page, `${points} === 4`);
  expect(await loss.locator('small').textContent()).toBe('from 0.4 · lowest 0.2 · highest 0.45');
  expect(await page.locator('[data-metric="lr"] strong').textContent()).toBe('0.0001');
  expect(await page.locator('[data-metric="lr"] small').textContent()).toBe('the same all the time');
  expect(await violationsOf(page)).toEqual([]);

  const url = 'https://files.example/u/ada.safetensors?sig=1';
  await report(11, { outputs: [url, 'grid.png', 'javascript:alert(1)'] });
  await page.locator('.now .status', { hasText: 'Completed' }).waitFor();
  const link = page.locator('.outputs a');
  expect(await link.count()).toBe(1);
  expect(await link.getAttribute('href')).toBe(url);
  expect(await link.getAttribute('rel')).toBe('noopener noreferrer');
  expect(await link.textContent()).toContain('ada.safetensors at files.example');
  await page.locator('.outputs div.reported', { hasText: 'grid.png' }).waitFor();
  expect(await page.getByRole('button', { name: 'Run again' }).count()).toBe(0);
  await page.reload();
  await untilTrue(page, `${points} === 4`);
  expect(await violationsOf(page)).toEqual([]);
  expect(troubles).toEqual([]);
  await page.close();
});
