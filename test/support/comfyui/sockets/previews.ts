import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pythonJson } from '../http/python-json';

/** What a preview says about itself to a client that asked for it. */
export interface PreviewMetadata {
  readonly node_id: string;
  readonly prompt_id: string;
  readonly display_node_id: string;
  readonly parent_node_id: string | null;
  readonly real_node_id: string;
}

const recording = join(__dirname, '../../../recordings/0.33.0/previews-legacy.jsonl');

/** The JPEGs a real server sent as previews. */
const jpegs = readFileSync(recording, 'utf8')
  .split('\n')
  .map((line) => /"binary":\s*"([^"]+)"/.exec(line)?.[1])
  .filter((base64) => base64 !== undefined)
  .map((base64) => Buffer.from(base64, 'base64').subarray(8));

/** A JPEG to send as a preview, another for each step. */
export function previewImage(step: number): Buffer {
  return jpegs[step % jpegs.length] ?? Buffer.alloc(0);
}

/** Binary frame 1: a format (1 = JPEG, 2 = PNG) and the image. */
export function previewFrame(image: Buffer, format: 'JPEG' | 'PNG'): Buffer {
  return Buffer.concat([uint32(1), uint32(format === 'PNG' ? 2 : 1), image]);
}

/** Binary frame 3: a node's text. */
export function textFrame(nodeId: string, text: string): Buffer {
  const id = Buffer.from(nodeId);
  return Buffer.concat([uint32(3), uint32(id.length), id, Buffer.from(text)]);
}

/** Binary frame 4: metadata and the image. */
export function previewWithMetadataFrame(image: Buffer, metadata: PreviewMetadata, format: 'JPEG' | 'PNG'): Buffer {
  const json = Buffer.from(pythonJson({ ...metadata, image_type: `image/${format.toLowerCase()}` }));
  return Buffer.concat([uint32(4), uint32(json.length), json, image]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
