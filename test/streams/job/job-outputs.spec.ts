import { bounds } from '../../../streams/bounds';
import { outputsOfJob, pictureNode } from '../../../streams/job/job-outputs';
import type { JobOutput } from '../../../streams/job/job-state';
import { advance, aJob, graph } from './a-job';

const job = aJob({
  graph: graph({
    '1': ['SaveImageWebsocket'],
    '2': ['ETN_SendImageWebSocket'],
    '3': ['KSampler'],
    '4': ['A group of somebody’s'],
  }),
});

test.each(['1', '2'])('a class that names the socket sends pictures, in whatever format: node %s', (id) => {
  for (const mimeType of ['image/png', 'image/jpeg']) expect(pictureNode(job, id, mimeType)).toBe(id);
});

test('what a sampler shows is a preview, in whatever format', () => {
  for (const mimeType of ['image/png', 'image/jpeg']) expect(pictureNode(job, '3', mimeType)).toBeUndefined();
});

test('of a node that another made, whose class nobody tells, a PNG is a picture and a JPEG a preview', () => {
  expect(pictureNode(job, '4.0.0.2', 'image/png')).toBe('4');
  expect(pictureNode(job, '4.0.0.2', 'image/jpeg')).toBeUndefined();
});

test('[R16] outputs are bounded in bytes, whatever letters they are written with', () => {
  const outputs = Array.from({ length: bounds.outputs }, (_, n): JobOutput => {
    const filename = `${'画'.repeat(bounds.filenameLength - 10)}${n}.png`;
    return { nodeId: '4', kind: 'images', filename, subfolder: '像'.repeat(bounds.filenameLength), type: 'output' };
  });
  const kept = outputsOfJob(job, outputs);
  expect(kept.length).toBeGreaterThan(100);
  expect(Buffer.byteLength(JSON.stringify(kept))).toBeLessThanOrEqual(bounds.outputsBytes);
  const nodeErrors = Array.from({ length: 30 }, () => ({ nodeId: '4', message: '误'.repeat(bounds.messageLength) }));
  const metadata = { text: '像'.repeat(Math.floor(bounds.metadataBytes / 3) - 20) };
  const at = 1;
  const promptId = job.state.promptId;
  const accepted = advance(
    { ...job, state: { ...job.state, metadata } },
    { tag: 'accepted', promptId, at, postedAt: at, nodeErrors },
  );
  const ended = advance(accepted, { tag: 'ended', promptId, at, outcome: outputs });
  expect(ended.state).toMatchObject({ status: 'completed', metadata });
  expect(Buffer.byteLength(JSON.stringify(ended.state))).toBeLessThanOrEqual(bounds.stateBytes);
});
