import { lastValueFrom, toArray } from 'rxjs';
import { recorded } from '../../../scripts/record';
import { readRecording } from '../../../scripts/recording/recording.codec';
import { replay } from '../../../scripts/replay';
import { startComfyUI } from '../../support/comfyui/stand-in';
import type { ComfyUIVersion } from '../../support/comfyui/versions';
import { image, nodeError } from '../../support/comfyui/workflows';

/** How the job of a fresh recording ends when it is replayed. */
async function endOf(version: ComfyUIVersion, workflow: unknown) {
  const server = await startComfyUI({ version, timeScale: 0.05 });
  try {
    const lines = await lastValueFrom(
      recorded({ url: server.url, workflow: JSON.stringify(workflow) }).pipe(toArray()),
    );
    const read = readRecording(lines.map((line) => JSON.stringify(line)).join('\n'));
    if (read._tag === 'Left') throw read.left;
    return { lines, end: replay(read.right, () => undefined).at(-1)?.state };
  } finally {
    await server.stop();
  }
}

test.each(['0.3.30', '0.33.0'] as const)('what is recorded of a %s replays to its end', async (version) => {
  const { lines, end } = await endOf(version, image({ steps: 3 }));
  expect(end).toMatchObject({ status: 'completed', progress: 100, outputs: [{ nodeId: '9' }] });
  expect(lines.at(0)).toMatchObject({ ws: 'a', event: 'open' });
  expect(lines.at(-1)).toMatchObject({ ws: 'a', event: 'close', code: 1000 });
});

test('a node that breaks, and a workflow that is refused, are recorded too', async () => {
  const broken = await endOf('0.33.0', nodeError());
  expect(broken.end).toMatchObject({ status: 'failed', failure: { kind: 'node_error' } });
  const refused = await endOf('0.33.0', { '1': { class_type: 'Nope', inputs: {} } });
  expect(refused.end).toMatchObject({ status: 'failed', failure: { kind: 'rejected' } });
});

test('a server that is away is an error', async () => {
  await expect(lastValueFrom(recorded({ url: 'http://127.0.0.1:1', workflow: '{}' }))).rejects.toThrow(/ECONNREFUSED/);
});
