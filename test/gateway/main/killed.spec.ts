import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { builtScript } from '../../support/programs/built';
import { startComfyUI, type ComfyUIStandIn } from '../../support/comfyui/stand-in';
import { steps } from '../../support/comfyui/workflows';
import { tcpProxy } from '../../support/network/tcp-proxy';
import { asking } from '../support/http/asking';
import { eventually } from '../../support/until';
import { startReceiver, type Receiver } from '../support/webhooks/receiver';

/** A ComfyUI, somebody who is told, and instances of the service, one after the other, on one directory. */
interface Scene {
  readonly comfy: ComfyUIStandIn;
  readonly receiver: Receiver;
  readonly start: (comfyUrl?: string) => Promise<{ readonly child: ChildProcess; readonly url: string }>;
}

/** A scene of the test's own: each waits for what a service waits for in earnest, and they wait together. */
const inScene =
  <T extends readonly unknown[]>(play: (scene: Scene, ...given: T) => Promise<void>) =>
  async (...given: T): Promise<void> => {
    const running: ChildProcess[] = [];
    const [comfy, receiver] = [await startComfyUI({ version: '0.33.0' }), await startReceiver()];
    const directory = await mkdtemp(join(tmpdir(), 'killed-'));
    const start = async (comfyUrl = comfy.url) => {
      const child = spawned(comfyUrl, directory);
      running.push(child);
      return { child, url: await addressOf(child) };
    };
    try {
      await play({ comfy, receiver, start }, ...given);
    } finally {
      await Promise.all(running.map(killed));
      await Promise.all([comfy.stop(), receiver.close()]);
      await rm(directory, { recursive: true });
    }
  };

const killed = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const over = once(child, 'close');
  child.kill('SIGKILL');
  await over;
};

function spawned(comfyUrl: string, directory: string): ChildProcess {
  const env = {
    PATH: process.env['PATH'],
    COMFYUI_URL: comfyUrl,
    DATA_DIR: directory,
    PORT: '0',
    LOG_LEVEL: 'silent',
    WEBHOOK_SECRET: `whsec_${Buffer.from('a webhook secret, long enough 4711').toString('base64')}`,
  };
  return spawn(process.execPath, [builtScript('gateway/cli/main.ts')], { env, stdio: ['ignore', 'pipe', 2] });
}

async function addressOf(child: ChildProcess): Promise<string> {
  let out = '';
  child.stdout!.on('data', (text: Buffer) => (out += text.toString()));
  await eventually(() => expect(out).toMatch(/listens at http:\S+\n/));
  return /http:\S+/.exec(out)![0];
}

test.concurrent(
  'kill -9 in the middle of a job: its key still stands for it, and its webhook is told, once',
  inScene(async ({ comfy, receiver, start }) => {
    const body = {
      workflow: steps(),
      type: 'image_generation',
      userId: 'ada',
      webhook: { url: receiver.url },
    };
    const how = { body, headers: { 'Idempotency-Key': 'k' } };
    comfy.faults.mostSteps = 1;
    const first = await start();
    const posted = await asking(first)('POST', '/jobs', how);
    expect(posted.status).toBe(202);
    await killed(first.child);
    const second = await start();
    const again = await asking(second)('POST', '/jobs', how);
    expect(again.json['promptId']).toBe(posted.json['promptId']);
    comfy.faults.mostSteps = Infinity;
    await eventually(() => expect(receiver.received).toHaveLength(1));
    expect(JSON.parse(receiver.received[0]!.body)).toMatchObject({
      promptId: posted.json['promptId'],
      status: 'completed',
    });
    expect([...comfy.executions.values()]).toEqual([1]);
  }),
);

test.concurrent(
  'kill -9 before ComfyUI could be reached: the job that was answered runs all the same, once',
  inScene(async ({ comfy, receiver, start }) => {
    const link = await tcpProxy(comfy.url);
    try {
      link.refuse();
      const body = {
        workflow: steps({ steps: 2, secondsPerStep: 0.1 }),
        type: 'image_generation',
        userId: 'ada',
        webhook: { url: receiver.url },
      };
      const first = await start(link.url);
      const posted = await asking(first)('POST', '/jobs', { body });
      expect([posted.status, posted.json['status']]).toEqual([202, 'queued']);
      await killed(first.child);
      await start(link.url);
      link.accept();
      await eventually(() => expect(receiver.received).toHaveLength(1));
      expect(JSON.parse(receiver.received[0]!.body)).toMatchObject({
        promptId: posted.json['promptId'],
        status: 'completed',
      });
      expect([...comfy.executions.values()]).toEqual([1]);
    } finally {
      await link.close();
    }
  }),
);

test.concurrent.each(['12345678901234567891', '18446744073709551615'])(
  '[R18] kill -9 between two runs of a job: the second has the first one’s seed, to the last digit: %s',
  inScene(async ({ comfy, start }, seed: string) => {
    const workflow = JSON.stringify(steps({ steps: 10_000, seed: 7 })).replace('"seed":7', `"seed":${seed}`);
    const body = `{"type":"t","userId":"ada","maxAttempts":2,"onLost":"resubmit","workflow":${workflow}}`;
    const first = await start();
    const posted = await asking(first)('POST', '/jobs', { body });
    expect(posted.status).toBe(202);
    await eventually(() => expect(comfy.executions.size).toBe(1));
    await killed(first.child);
    await comfy.restart();
    await start();
    // Under another id, or the same where nobody lived to hear that the first post was taken.
    await eventually(() => expect([...comfy.executions.values()].reduce((sum, runs) => sum + runs, 0)).toBe(2));
    expect(comfy.posted.map((text) => /"seed":(\d+)/.exec(text)?.[1])).toEqual([seed, seed]);
  }),
);
