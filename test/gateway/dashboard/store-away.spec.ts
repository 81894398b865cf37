import type { Browser } from 'playwright-core';
import { startComfyUI, type ComfyUIStandIn } from '../../support/comfyui/stand-in';
import { steps } from '../../support/comfyui/workflows';
import { startChromium } from '../../support/programs/chromium';
import { startService, type Service } from '../../support/programs/service';
import { startRedis, type RedisServer } from '../../support/redis/redis-server';
import { asking } from '../support/http/asking';
import { jobIn, openScreen } from '../support/dashboard/screen';

let browser: Browser;
let comfy: ComfyUIStandIn;
let redis: RedisServer;
let service: Service;

beforeAll(async () => {
  [browser, comfy, redis] = await Promise.all([startChromium(), startComfyUI({ version: '0.33.0' }), startRedis()]);
  service = await startService({ COMFYUI_URL: comfy.url, REDIS_URL: redis.url });
});
afterAll(async () => {
  await browser.close();
  await service.kill();
  await Promise.all([comfy.stop(), redis.stop()]);
});

test('[R12] a page says that the store is away, and one that is opened then that not all jobs are here, until they are', async () => {
  const body = { workflow: steps({ steps: 1_000, secondsPerStep: 1 }), type: 'image_generation', userId: 'ada' };
  const { json } = await asking(service)('POST', '/jobs', { body });
  const { page, troubles } = await openScreen(browser);
  await page.goto(service.url);
  await jobIn(page, String(json['promptId'])).waitFor();
  await redis.kill();
  await page.getByText('Some jobs may stand still here.').waitFor();
  await page.reload();
  await page.getByText('Not all jobs are here.').waitFor();
  await jobIn(page, String(json['promptId'])).waitFor();
  await redis.start();
  await page.getByText('Not all jobs are here.').waitFor({ state: 'detached' });
  await jobIn(page, String(json['promptId'])).waitFor();
  await page.close();
  expect(troubles).toEqual([]);
});
