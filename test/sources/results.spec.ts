import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { embeddedStore } from '../../sinks/embedded/embedded-store';
import type { JobState } from '../../streams/job/job-state';
import { start, stopAll } from '../support/comfyui/client/comfyui-client';
import type { ComfyUIVersion } from '../support/comfyui/versions';
import { anInstance, closeAll, type Instance } from '../support/pipeline/pipelines';

const folders: string[] = [];

afterEach(async () => {
  await closeAll();
  await stopAll();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

async function world(version: ComfyUIVersion) {
  const comfy = await start({ version, timeScale: 0.1 });
  const path = mkdtempSync(`${tmpdir()}/results-`);
  folders.push(path);
  const instance = anInstance({
    servers: [comfy.url],
    store: (report) => embeddedStore({ directory: path, report }),
  });
  return { comfy, ...instance };
}

const node = (class_type: string, inputs: Record<string, unknown> = {}) => ({ class_type, inputs });
const source = node('EmptyImage', { width: 64, height: 64, batch_size: 1, color: 7 });
const versions: readonly ComfyUIVersion[] = ['0.3.30', '0.3.64', '0.8.2', '0.33.0'];

/** The outputs by frames, and by looks alone: the same workflow again, by an instance whose socket hears nothing. */
async function bothWays({ comfy, run }: Instance & { comfy: Awaited<ReturnType<typeof start>> }, workflow: object) {
  const heard = await (await run(workflow)).end;
  comfy.faults.deaf = true;
  const looked = await (await run(workflow)).end;
  comfy.faults.deaf = false;
  return { heard, looked };
}

describe.each(versions)('%s', (version) => {
  test('texts and models are outputs, the same whether frames or history told of them', async () => {
    const { heard, looked } = await bothWays(await world(version), {
      '1': node('PrimitiveString', { value: 'a caption' }),
      '2': node('PreviewAny', { source: ['1', 0] }),
      '3': node('Preview3D', { model_file: 'mesh/a.glb' }),
    });
    const outputs = [
      { nodeId: '2', kind: 'text', text: 'a caption' },
      { nodeId: '3', kind: 'result', filename: 'a.glb', subfolder: 'mesh', type: 'output' },
    ];
    expect(heard).toMatchObject({ status: 'completed', outputs });
    expect(looked).toMatchObject({ status: 'completed', outputs });
  });

  test('a blocked branch is not the end', async () => {
    const { run } = await world(version);
    const end = await (
      await run({
        '1': source,
        '2': node('TestExecutionBlocker', { input: ['1', 0], block: true, verbose: true }),
        '3': node('PreviewImage', { images: ['2', 0] }),
        '5': node('SaveImage', { images: ['1', 0], filename_prefix: 'goes-on' }),
      })
    ).end;
    expect(end).toMatchObject({ status: 'completed', outputs: [{ nodeId: '5', kind: 'images' }] });
  });

  test('numbers that JSON has not, in an output and in a failure, keep nobody waiting', async () => {
    const { comfy, ...instance } = await world(version);
    const scored = { '1': source, '2': node('ScoreImage', { images: ['1', 0] }) };
    const { heard, looked } = await bothWays({ comfy, ...instance }, scored);
    for (const end of [heard, looked]) expect(end).toMatchObject({ status: 'completed', outputs: [{ nodeId: '2' }] });
    const broken = {
      '1': source,
      '2': node('ImageScaleBy', { image: ['1', 0], upscale_method: 'bilinear', scale_by: 'NaN' }),
      '3': node('PreviewImage', { images: ['2', 0] }),
      '4': node('SaveImage', { images: ['1', 0], filename_prefix: 'before' }),
    };
    const failures = await bothWays({ comfy, ...instance }, broken);
    for (const end of [failures.heard, failures.looked])
      expect(end).toMatchObject({
        status: 'failed',
        failure: { kind: 'node_error', nodeId: '2', message: 'cannot convert float NaN to integer' },
      });
    // And what is in the history now stops no cancel.
    const slow = await instance.run({
      '1': source,
      '2': node('StepsWithProgress', { image: ['1', 0], steps: 1000, seconds_per_step: 1, preview_every: 0, seed: 1 }),
      '3': node('PreviewImage', { images: ['2', 0] }),
    });
    await slow.where(({ status }) => status === 'processing');
    await instance.pipeline.cancel(slow.promptId);
    expect(await slow.end).toMatchObject({ failure: { kind: 'cancelled' } });
  });

  test('the pictures of SaveImageWebsocket are outputs, whole, and kept', async () => {
    const { run, pipeline, reports } = await world(version);
    const job = await run({
      '1': node('EmptyImage', { width: 1024, height: 1024, batch_size: 1, color: 7 }),
      '2': node('SaveImageWebsocket', { images: ['1', 0], count: 4, noise: 1 }),
    });
    const end = await job.end;
    expect(end).toMatchObject({ status: 'completed' });
    expect(end.outputs).toEqual(
      [1, 2, 3, 4].map((n) => ({
        nodeId: '2',
        kind: 'images',
        filename: `picture_0000${n}.png`,
        subfolder: '',
        type: 'websocket',
      })),
    );
    const files = await Promise.all([0, 1, 2, 3].map((n) => bytesOf(pipeline, end, n)));
    for (const file of files) {
      expect(file.length).toBeGreaterThan(3 << 20);
      expect([file.toString('latin1', 1, 4), file.toString('latin1', file.length - 8, file.length - 4)]).toEqual([
        'PNG',
        'IEND',
      ]);
    }
    expect(new Set(files.map(hashOf)).size).toBe(4);
    expect(reports).toEqual([]);
  });
});

test('a sampler’s previews are no outputs', async () => {
  const { run } = await world('0.33.0');
  const end = await (
    await run({
      '1': source,
      '2': node('StepsWithProgress', { image: ['1', 0], steps: 4, seconds_per_step: 0.2, preview_every: 1, seed: 1 }),
      '3': node('PreviewImage', { images: ['2', 0] }),
    })
  ).end;
  expect(end.outputs).toMatchObject([{ nodeId: '3', type: 'temp' }]);
});

test('a job that waited for another says when it began', async () => {
  const { run, comfy } = await world('0.33.0');
  const long = (seed: number) => ({
    '1': source,
    '2': node('StepsWithProgress', { image: ['1', 0], steps: 5, seconds_per_step: 1, preview_every: 0, seed }),
    '3': node('PreviewImage', { images: ['2', 0] }),
  });
  const first = await run(long(1));
  const second = await run(long(2));
  const third = await run(long(3));
  const ends: readonly JobState[] = [await first.end, await second.end, await third.end];
  for (const { executionStartedAt = 0, startedAt, finishedAt = 0 } of ends) {
    expect(executionStartedAt).toBeGreaterThanOrEqual(startedAt);
    expect(executionStartedAt).toBeLessThanOrEqual(finishedAt);
  }
  expect(ends[1]!.executionStartedAt!).toBeGreaterThanOrEqual(ends[0]!.finishedAt! - 50);
  expect(comfy.executions.size).toBe(3);
});

const hashOf = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex');

async function bytesOf(pipeline: Instance['pipeline'], { promptId }: JobState, n: number): Promise<Buffer> {
  const file = await pipeline.output(promptId, n);
  if (file === undefined) throw new Error(`there is no output ${n}`);
  expect(file.contentType).toBe('image/png');
  const chunks: Buffer[] = [];
  for await (const chunk of file.body) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
