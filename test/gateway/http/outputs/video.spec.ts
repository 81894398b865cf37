import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import type { FileOutput } from '../../../../streams/job/job-state';
import { startChromium } from '../../../support/programs/chromium';
import { steps } from '../../../support/comfyui/workflows';
import { runningGateway, type RunningGateway } from '../../support/running-gateway';
import { settled } from '../../support/settled';
import { testAuth, tokenOf } from '../../support/admission/tokens';

/** Six seconds, 96 by 72 pixels, VP8. */
const VIDEO = readFileSync(join(__dirname, 'six-seconds.webm'));

let browser: Browser;
let pages: Server;
let open: RunningGateway;
let guarded: RunningGateway;
/** The same pages under two names, of which the gateways know one. */
let friend: string;
let stranger: string;

beforeAll(async () => {
  pages = createServer((_request, response) => {
    response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>An application</title>');
  }).listen(0, '127.0.0.1');
  await once(pages, 'listening');
  const { port } = pages.address() as AddressInfo;
  [friend, stranger] = [`http://localhost:${port}`, `http://127.0.0.1:${port}`];
  const origins = [friend];
  [browser, open, guarded] = await Promise.all([
    startChromium(),
    runningGateway({ origins }),
    runningGateway({ origins, auth: testAuth }),
  ]);
});
afterAll(async () => {
  pages.close();
  pages.closeAllConnections();
  await browser.close();
  await Promise.all([open.close(), guarded.close()]);
});

async function videoOf(gateway: RunningGateway): Promise<string> {
  const job = await gateway.pipeline.submit({ workflow: steps(), type: 'image_generation', userId: 'ada' });
  const { promptId, outputs } = await settled(gateway.pipeline, job.promptId);
  gateway.comfy.replaceFile(outputs![0] as FileOutput, VIDEO, 'video/webm');
  return `${gateway.url}/jobs/${promptId}/outputs/0`;
}

async function pageOf(origin: string): Promise<{ readonly page: Page; readonly statuses: number[] }> {
  const page = await browser.newPage();
  const statuses: number[] = [];
  page.on('response', (response) => {
    if (response.url().includes('/outputs/')) statuses.push(response.status());
  });
  await page.goto(origin);
  return { page, statuses };
}

interface Played {
  readonly ended: boolean;
  readonly at: number;
  readonly width: number;
  readonly error?: string;
}

/** Plays the first second, then from the fifth to the end. */
const play = (page: Page, src: string): Promise<Played> =>
  page.evaluate(`(async () => {
    const video = document.body.appendChild(document.createElement('video'));
    video.muted = true;
    const heard = (name) => new Promise((resolve) => video.addEventListener(name, resolve, { once: true }));
    const failed = heard('error').then(() => 'error ' + video.error.code);
    const until = (name) => Promise.race([heard(name), failed]);
    video.src = ${JSON.stringify(src)};
    const begun = await (video.play().catch(() => undefined), until('playing'));
    if (typeof begun === 'string') return { ended: false, at: 0, width: 0, error: begun };
    video.currentTime = 5;
    await until('seeked');
    await until('ended');
    return { ended: video.ended, at: video.currentTime, width: video.videoWidth };
  })()`);

const whole = { ended: true, at: expect.closeTo(6, 0) as number, width: 96 };

test('without tokens, a page of an allowed origin plays a video, in parts', async () => {
  const url = await videoOf(open);
  const { page, statuses } = await pageOf(friend);
  expect(await play(page, url)).toEqual(whole);
  expect(new Set(statuses)).toEqual(new Set([206]));
  await page.close();
});

test('with tokens, it does so by a signed URL', async () => {
  const url = await videoOf(guarded);
  const { page, statuses } = await pageOf(friend);
  const token = await tokenOf({ sub: 'ada' });
  const signed = await page.evaluate<string>(`(async () => {
    const how = { method: 'POST', headers: { Authorization: 'Bearer ${token}' } };
    return (await (await fetch('${url}/url', how)).json()).url;
  })()`);
  statuses.length = 0;
  expect(await play(page, new URL(signed, url).href)).toEqual(whole);
  expect(new Set(statuses)).toEqual(new Set([206]));
  expect((await play(page, url)).error).toBe('error 4');
  await page.close();
});

test('with tokens, the dashboard plays it too, in parts, by a URL of its own', async () => {
  const job = await guarded.pipeline.submit({
    workflow: {
      '1': { class_type: 'EmptyImage', inputs: { width: 64, height: 64, batch_size: 1, color: 3 } },
      '2': { class_type: 'SaveWEBM', inputs: { images: ['1', 0], filename_prefix: 'film' } },
    },
    type: 'image_generation',
    userId: 'ada',
  });
  const { promptId, outputs } = await settled(guarded.pipeline, job.promptId);
  guarded.comfy.replaceFile(outputs![0] as FileOutput, VIDEO, 'video/webm');
  const { page, statuses } = await pageOf(guarded.url);
  await page.getByLabel('Token').fill(await tokenOf({ sub: 'ada' }));
  await page.keyboard.press('Enter');
  await page.locator(`[data-job="${promptId}"] a`).click();
  await page.getByText('film_00001_.webm').click();
  await page.locator('video').waitFor();
  const shown = await page.evaluate<number>(`(async () => {
    const video = document.querySelector('video');
    video.muted = true;
    video.loop = false;
    const ended = new Promise((resolve) => video.addEventListener('ended', resolve));
    await video.play();
    video.currentTime = 5;
    await ended;
    return video.videoWidth;
  })()`);
  expect(shown).toBe(96);
  expect(statuses).toContain(206);
  await page.close();
});

test('a page of any other origin shows nothing of it', async () => {
  const url = await videoOf(open);
  const { page } = await pageOf(stranger);
  expect((await play(page, url)).error).toBe('error 4');
  await page.evaluate(`document.head.innerHTML = '<meta name="referrer" content="no-referrer">'`);
  expect((await play(page, url)).error).toBe('error 4');
  await page.close();
});

test('an image of an allowed page may be drawn and read by it', async () => {
  const job = await open.pipeline.submit({ workflow: steps(), type: 'image_generation', userId: 'ada' });
  const { promptId } = await settled(open.pipeline, job.promptId);
  const { page } = await pageOf(friend);
  const shown = await page.evaluate<number>(`(async () => {
    const image = new Image();
    image.crossOrigin = 'anonymous';
    image.src = '${open.url}/jobs/${promptId}/outputs/0';
    await image.decode();
    const drawing = new OffscreenCanvas(image.width, image.height).getContext('2d');
    drawing.drawImage(image, 0, 0);
    return drawing.getImageData(0, 0, 1, 1).data.length;
  })()`);
  expect(shown).toBe(4);
  await page.close();
});
