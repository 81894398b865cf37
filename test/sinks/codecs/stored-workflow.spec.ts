import { deflateRawSync } from 'node:zlib';
import { lastValueFrom } from 'rxjs';
import { packedWorkflow, unpackedWorkflow, type StoredWorkflow } from '../../../sinks/codecs/stored-workflow.codec';
import { bounds } from '../../../streams/bounds';

const titled = (title: string): StoredWorkflow => ({
  tag: 'unposted',
  prompt: { workflow: `{"1":{"class_type":"A","inputs":{"seed":18446744073709551615},"_meta":{"title":"${title}"}}}` },
});
const packed = (workflow: StoredWorkflow) => lastValueFrom(packedWorkflow(workflow));
const unpacked = (text: string) => lastValueFrom(unpackedWorkflow(text));

it.each([
  ['short', 'short'],
  ['long', 'tüt🎨'.repeat(100_000)],
])('R18: a %s workflow comes back as it was', async (_, title) => {
  expect(await unpacked(await packed(titled(title)))).toEqual(titled(title));
});

it('R16: eight mebibytes of one letter take less than 100 KiB', async () => {
  expect((await packed(titled('t'.repeat(8 << 20)))).length).toBeLessThan(100 << 10);
});

it.each([
  ['no base64', 'deflate:!!!'],
  ['nothing that was packed', `deflate:${Buffer.from('x'.repeat(99)).toString('base64')}`],
  ['no JSON', 'nothing'],
  ['packed as only a newer version does', 'zstd:KLUv/QRYAQAAMQ=='],
  ['kept for what only a newer version knows', '{"tag":"archived","prompt":{"workflow":"{}"}}'],
  [
    'more than any workflow has',
    `deflate:${deflateRawSync(Buffer.alloc(2 * bounds.promptBytes + 1, ' '), { level: 1 }).toString('base64')}`,
  ],
])('R15: what is %s is as nothing', async (_, text) => {
  expect(await unpacked(text)).toBeUndefined();
});

it('what a newer version keeps beside a workflow does not make it unreadable', async () => {
  const newer = JSON.stringify({ ...titled('t'), since: 5, prompt: { ...titled('t').prompt, priority: 'high' } });
  expect(await unpacked(newer)).toMatchObject(titled('t'));
});
