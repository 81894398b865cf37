import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startComfyUI, type ComfyUIStandIn } from '../../support/comfyui/stand-in';
import { nodeError, steps } from '../../support/comfyui/workflows';
import { startService, type Service } from '../../support/programs/service';
import { eventually, until } from '../../support/until';
import { connected, join as joinRoom } from '../support/sockets/client';
import { asking } from '../support/http/asking';
import { startReceiver, type Receiver } from '../support/webhooks/receiver';
import { expositionOf, familyOf, type Exposition } from '../metrics/exposition';

const root = join(__dirname, '../../..');
const directories: string[] = [];
const running: Service[] = [];
let comfy: ComfyUIStandIn;
let receiver: Receiver;

beforeEach(async () => {
  comfy = await startComfyUI({ version: '0.33.0', timeScale: 0.2 });
  receiver = await startReceiver();
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((service) => service.kill()));
  await Promise.all([comfy.stop(), receiver.close()]);
  directories.splice(0).forEach((directory) => rmSync(directory, { recursive: true, force: true }));
});

async function start(DATA_DIR: string): Promise<Service> {
  const service = await startService({
    DATA_DIR,
    METRICS_PORT: '0',
    COMFYUI_URL: comfy.url,
    WEBHOOK_SECRET: `whsec_${Buffer.from('a secret of webhooks, 24 bytes').toString('base64')}`,
  });
  running.push(service);
  return service;
}

const aDirectory = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'metrics-'));
  directories.push(directory);
  return directory;
};

/** Where it is scraped, as its log says. */
const scrapeUrlOf = (service: Service): string => /"url":"(http[^"]+\/metrics)"/.exec(service.output())?.[1] ?? '';

const scrape = async (service: Service): Promise<Exposition> => {
  const answer = await fetch(scrapeUrlOf(service));
  expect(answer.status).toBe(200);
  return expositionOf(await answer.text());
};

/** Metrics that are asked for, in rules and panels; what rules record is none. */
const askedFor = (file: string): readonly string[] => {
  const text = readFileSync(join(root, file), 'utf8').replace(/\bjob:\w+:\w+|^ +- name: .*$/gm, '');
  return [...new Set([...text.matchAll(/\b(?:jobstream|nodejs|process)_[a-z]\w+/g)].map(([name]) => name))];
};

test('every metric of the rules and of the board is there after a mixed run, restarts included', async () => {
  const directory = aDirectory();
  let service = await start(directory);
  const submit = async (workflow: object): Promise<string> => {
    const body = {
      workflow,
      type: 'image_generation',
      userId: 'ada',
      webhook: { url: receiver.url },
    };
    const { status, text, json } = await asking(service)('POST', '/jobs', { body });
    expect([status, text]).toEqual([202, expect.any(String)]);
    return String(json['promptId']);
  };
  const isOver = async (promptId: string): Promise<boolean> => {
    const { json } = await asking(service)('GET', `/jobs/${promptId}`);
    return ['completed', 'failed'].includes(String(json['status']));
  };

  comfy.faults.mostSteps = 1;
  const long = await submit(steps());
  await until(() => comfy.executions.size > 0);
  await service.kill();
  service = await start(directory);
  await eventually(async () => expect((await scrape(service)).sum('jobstream_jobs_recovered_total')).toBe(1));
  const socket = await connected(service);
  await joinRoom(socket, long);
  comfy.dropSockets('abrupt');
  // That of the job, and the instance's own.
  await until(() => service.output().includes('closed with code 1006') && comfy.sockets() === 2);
  await asking(service)('POST', `/jobs/${long}/cancel`);
  await until(() => isOver(long));
  comfy.faults.mostSteps = Infinity;
  comfy.faults.malformedFrames = true;
  const others = [await submit(steps()), await submit(nodeError())];
  for (const promptId of others) await until(() => isOver(promptId));
  await until(() => receiver.received.length >= 3);
  socket.disconnect();

  await eventually(async () => {
    const { samples, types, sum } = await scrape(service);
    const there = new Set(samples.flatMap(({ name }) => [name, familyOf(name, types)]));
    const wanted = [...askedFor('ops/prometheus/rules.yml'), ...askedFor('ops/grafana/dashboards/jobstream.json')];
    expect(wanted.length).toBeGreaterThan(50);
    expect(wanted.filter((name) => !there.has(name))).toEqual([]);
    expect(sum('jobstream_recovered_jobs_settled_total', { outcome: 'followed' })).toBe(1);
    expect(sum('jobstream_build_info')).toBe(1);
  });
});

test('METRICS_PORT tells its metrics and nothing else', async () => {
  const service = await start(aDirectory());
  const url = scrapeUrlOf(service);
  expect(new URL(url).hostname).toBe('127.0.0.1');
  expect((await fetch(url, { method: 'POST' })).status).toBe(405);
  for (const path of ['/', '/jobs', '/livez', '/metrics/x']) expect((await fetch(new URL(path, url))).status).toBe(404);
  const text = await (await fetch(url)).text();
  expect(text).not.toContain(comfy.url);
  expect((await running.pop()?.terminate())?.code).toBe(0);
});
