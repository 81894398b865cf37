import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { Browser } from 'playwright-core';
import { studio } from '../../../examples/studio-page/backend';
import { SECRET, tokenOf } from '../../gateway/support/admission/tokens';
import { asking } from '../../gateway/support/http/asking';
import { startChromium } from '../../support/programs/chromium';
import { startService, type Service } from '../../support/programs/service';
import { startComfyUI, type ComfyUIStandIn } from '../../support/comfyui/stand-in';
import { steps } from '../../support/comfyui/workflows';
import { freePort } from '../../support/network/ports';
import { PATIENCE_MS, until } from '../../support/until';

let folder: string;
let comfy: ComfyUIStandIn;
let service: Service;
let http: Server;
let browser: Browser;
let origin: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'studio-'));
  comfy = await startComfyUI({ version: '0.33.0' });
  const { outputFiles } = await build({
    entryPoints: ['examples/studio-page/page/studio.ts'],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
  });
  const port = await freePort();
  http = createServer().listen(0, '127.0.0.1');
  await once(http, 'listening');
  origin = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  service = await startService({
    COMFYUI_URL: comfy.url,
    DATA_DIR: folder,
    PORT: `${port}`,
    ORIGINS: origin,
    JWT_SECRET: new TextDecoder().decode(SECRET),
  });
  const userOf = () => 'ada';
  http.on('request', studio({ gatewayUrl: service.url, secret: SECRET, userOf, script: outputFiles[0]!.text }));
  browser = await startChromium();
});
afterAll(async () => {
  await browser.close();
  http.closeAllConnections();
  http.close();
  await service.kill();
  await comfy.stop();
  await rm(folder, { recursive: true });
});

test('a user’s page shows a job as it goes, its previews, and its picture by a signed URL', async () => {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const troubles: string[] = [];
  page.on('pageerror', ({ message }) => troubles.push(message));
  page.on('console', (message) => {
    if (message.type() === 'error') troubles.push(message.text());
  });
  await page.goto(origin);
  comfy.faults.mostSteps = 1;
  const submitted = async (sub: string) =>
    asking(service)('POST', '/jobs', {
      token: await tokenOf({ sub }),
      body: { workflow: steps({ steps: 400, secondsPerStep: 0.005, previewEvery: 1 }), type: 'image_generation' },
    });
  expect((await submitted('ada')).status).toBe(202);
  await submitted('bob');
  // Step by step: the page has yet to join the room.
  await until(async () => {
    comfy.faults.mostSteps += 1;
    return (await page.locator('li img[src^="blob:"]').count()) > 0;
  });
  comfy.faults.mostSteps = Infinity;
  await page.waitForSelector('li[data-status=completed] img[src*="signature="]', { state: 'attached' });
  // `waitForFunction` would need `unsafe-eval` of the page's policy, once it looks again.
  await until(async () => (await page.evaluate('document.querySelector("img").naturalWidth')) !== 0);
  expect(await page.locator('li').count()).toBe(1);
  expect(await page.evaluate('document.querySelector("progress").value')).toBe(100);
  expect(await page.locator('#connection').textContent()).toBe('connected');
  expect(troubles.filter((text) => !text.includes('favicon'))).toEqual([]);
  await page.close();
});
