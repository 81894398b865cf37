import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { FileOutput } from '../../../streams/job/job-state';
import { steps } from '../../support/comfyui/workflows';
import { runningGateway, type RunningGateway } from '../support/running-gateway';
import { settled } from '../support/settled';

let gateway: RunningGateway;
let reader: Socket | undefined;
let writing: NodeJS.Timeout | undefined;
beforeEach(async () => {
  gateway = await runningGateway({ limits: { stallMs: 400 } });
});
afterEach(async () => {
  clearInterval(writing);
  reader?.destroy();
  await gateway.close();
});

/** 512 KiB at a time, so that a connection holds more than its buffers do. */
async function pages(): Promise<string> {
  const metadata = { text: 'x'.repeat(16_000) };
  for (let n = 0; n < 33; n += 1) await gateway.pipeline.open({ type: 'lora_training', userId: 'ada', metadata });
  return '/jobs';
}

async function output(): Promise<string> {
  const job = await gateway.pipeline.submit({ workflow: steps(), type: 'image_generation', userId: 'ada' });
  const { promptId, outputs } = await settled(gateway.pipeline, job.promptId);
  gateway.comfy.replaceFile(outputs![0] as FileOutput, Buffer.alloc(48 << 20, 'x'), 'video/mp4');
  return `/jobs/${promptId}/outputs/0`;
}

test.each([
  ['a page of jobs', pages],
  ['an output', output],
])(
  '[R16] who takes nothing more of %s is cut, and frees what it held, whatever they send meanwhile',
  async (_of, made) => {
    const path = await made();
    const { hostname, port, host } = new URL(gateway.url);
    reader = connect(Number(port), hostname).pause();
    reader.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`.repeat(32));
    // Nothing of it is read, so that it hears of its end by what it writes.
    writing = setInterval(() => reader?.write('\r\n'), 50);
    const [error] = (await once(
      reader.on('error', () => undefined),
      'error',
    )) as [NodeJS.ErrnoException];
    expect(['EPIPE', 'ECONNRESET']).toContain(error.code);
  },
);
