import { isLeft, isRight } from 'fp-ts/Either';
import { decodeBinaryFrame, type PreviewFrame } from '../../../sources/codecs/binary-frame.codec';
import { framesOf, recordingOf, recordings } from '../../support/replay/recordings';

const uint32 = (...numbers: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(4 * numbers.length);
  numbers.forEach((number, index) => bytes.writeUInt32BE(number, 4 * index));
  return bytes;
};
const png = Buffer.from([0x89, 0x50, 0x4e, 0x47]);
const metadata = { prompt_id: 'p', node_id: '7', display_node_id: '7', image_type: 'image/png' };
const withMetadata = (meta: unknown, image = png): Buffer => {
  const json = Buffer.from(typeof meta === 'string' ? meta : JSON.stringify(meta));
  return Buffer.concat([uint32(4, json.length), json, image]);
};

function read(frame: Buffer): PreviewFrame | undefined {
  const decoded = decodeBinaryFrame(frame);
  if (isLeft(decoded)) throw decoded.left;
  return decoded.right;
}
function complaint(frame: Buffer): string {
  const decoded = decodeBinaryFrame(frame);
  if (isRight(decoded)) throw new Error('it was read');
  return decoded.left.message;
}

const binary = (version: string, scenario: string): readonly PreviewFrame[] =>
  framesOf(recordingOf(version, scenario)).flatMap((frame) => (typeof frame === 'string' ? [] : [read(frame)!]));

/** How an image of that type begins. */
const beginnings: Record<string, readonly number[]> = { 'image/png': [0x89, 0x50], 'image/jpeg': [0xff, 0xd8] };

test.each(recordings.map((recording) => [recording.name, recording] as const))(
  'every binary frame of %s is read',
  (_, recording) => {
    for (const frame of framesOf(recording)) if (typeof frame !== 'string') expect(() => read(frame)).not.toThrow();
  },
);

test.each([
  ['0.33.0', 'previews-metadata'],
  ['0.33.0', 'previews-legacy'],
  ['0.3.30', 'previews-legacy'],
])('the images of %s/%s are images', (version, scenario) => {
  const previews = binary(version, scenario);
  expect(previews.length).toBeGreaterThan(0);
  for (const { image, mimeType } of previews) expect([...image.subarray(0, 2)]).toEqual(beginnings[mimeType]);
});

test('who asked for metadata gets the job and the node of each preview, from a server that has it', () => {
  for (const preview of binary('0.33.0', 'previews-metadata'))
    expect([preview.promptId?.length, preview.nodeId]).toEqual([36, '2']);
  for (const preview of [...binary('0.33.0', 'previews-legacy'), ...binary('0.3.30', 'previews-metadata')]) {
    expect(preview.promptId).toBeUndefined();
    expect(preview.nodeId).toBeUndefined();
  }
});

describe('type 1, a preview of nobody knows what', () => {
  test.each([
    [1, 'image/jpeg'],
    [2, 'image/png'],
  ])('format %i is %s', (format, mimeType) => {
    expect(read(Buffer.concat([uint32(1, format), png]))).toEqual({ mimeType, image: png });
  });
});

describe('type 4, a preview with metadata', () => {
  test('names its job, its node and its type', () => {
    expect(read(withMetadata(metadata))).toEqual({ promptId: 'p', nodeId: '7', mimeType: 'image/png', image: png });
  });

  test.each([
    ['metadata that goes past the end', Buffer.concat([uint32(4, 999), png]), 'metadata longer than the frame'],
    ['a length of four billion', Buffer.concat([uint32(4, 0xffff_ffff), png]), 'metadata longer than the frame'],
    ['metadata that is no JSON', withMetadata('{"prompt_id": '), 'metadata is no JSON'],
    ['empty metadata', withMetadata(''), 'metadata is no JSON'],
    ['metadata that is no object', withMetadata([]), 'metadata lacks a field'],
    ['no job', withMetadata({ ...metadata, prompt_id: undefined }), 'metadata lacks a field'],
    ['a node that is a number', withMetadata({ ...metadata, node_id: 7 }), 'metadata lacks a field'],
    ['a type that is no image', withMetadata({ ...metadata, image_type: 'text/html' }), 'no image type'],
    [
      'a type that smuggles',
      withMetadata({ ...metadata, image_type: 'image/png\r\nSet-Cookie: a=b' }),
      'no image type',
    ],
  ])('[R9] with %s is malformed', (_, frame, expected) => {
    expect(complaint(frame)).toBe(`binary 4: ${expected}`);
  });

  test('[R9] never shows what it holds', () => {
    expect(complaint(withMetadata({ secret: 'a-secret' }))).not.toContain('a-secret');
    expect(complaint(withMetadata('a-secret'))).not.toContain('a-secret');
  });
});

test.each([0, 2, 3, 5, 77, 0xffff_ffff])('type %i is none of our business', (type) => {
  expect(read(Buffer.concat([uint32(type, 1), Buffer.from('7'), Buffer.from('some text')]))).toBeUndefined();
});

test.each([0, 1, 4, 7])('[R9] %i bytes are too short for any frame', (length) => {
  expect(complaint(Buffer.alloc(length))).toBe('binary: too short');
});

test('[R9] a frame that ends where its image begins has no image', () => {
  expect(complaint(uint32(1, 2))).toBe('binary 1: no image');
  expect(complaint(withMetadata(metadata, Buffer.alloc(0)))).toBe('binary 4: no image');
});

test('[R9] cut anywhere, a preview is malformed or shorter, and never throws', () => {
  const whole = withMetadata(metadata);
  for (let length = 0; length < whole.length; length++) {
    const decoded = decodeBinaryFrame(whole.subarray(0, length));
    expect(isLeft(decoded)).toBe(length <= whole.length - png.length);
  }
});
