/** Frames as ComfyUI 0.33.0 writes them, as bytes on a WebSocket. */
import { promptIdOf, stamp, type Load } from './talk';

/** As Python writes JSON: a space after each `:` and `,`. */
export const pythonJson = (value: unknown): string =>
  JSON.stringify(value, undefined, 1)
    .replace(/\n\s*/g, ' ')
    .replace(/([{[]) /g, '$1')
    .replace(/ ([}\]])/g, '$1');

/** A text frame, whole and unmasked (RFC 6455, 5.2). */
export function textFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const size = payload.length;
  const head = Buffer.alloc(size < 126 ? 2 : size < 65_536 ? 4 : 10);
  head[0] = 0x81;
  head[1] = size < 126 ? size : size < 65_536 ? 126 : 127;
  if (head.length === 4) head.writeUInt16BE(size, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(size), 2);
  return Buffer.concat([head, payload]);
}

export const statusFrame = (remaining: number): Buffer =>
  textFrame(pythonJson({ type: 'status', data: { status: { exec_info: { queue_remaining: remaining } } } }));

/** In place of the value that is stamped on each frame as it is written: as many digits. */
const PLACE = 123_456_789;
export const MAX_VALUE = 900_000_000;

/** A workflow of so many nodes, each after the other, with this seed if it has one. */
export const workflowOf = (nodes: Load['nodes'], seed?: number): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Array.from({ length: nodes === 'progress' ? 1 : nodes }, (_, n) => [
      String(n + 1),
      {
        class_type: 'KSampler',
        inputs: { steps: 20, ...(n === 0 && { seed }), ...(n > 0 && { latent_image: [String(n), 0] }) },
      },
    ]),
  );

/** The job's last node is at work, all others are done. */
function textOf(promptId: string, nodes: Load['nodes']): string {
  if (nodes === 'progress')
    return pythonJson({ type: 'progress', data: { value: PLACE, max: MAX_VALUE, prompt_id: promptId, node: '1' } });
  const node = (n: number): readonly [string, unknown] => {
    const id = String(n);
    const isLast = n === nodes;
    const progress = isLast
      ? { value: PLACE, max: MAX_VALUE, state: 'running' }
      : { value: 20, max: 20, state: 'finished' };
    const ids = { node_id: id, prompt_id: promptId, display_node_id: id, parent_node_id: null, real_node_id: id };
    return [id, { ...progress, ...ids }];
  };
  const all = Object.fromEntries(Array.from({ length: nodes }, (_, n) => node(n + 1)));
  return pythonJson({ type: 'progress_state', data: { prompt_id: promptId, nodes: all } });
}

/** One frame of every job in turn, as many times as fill a write: their values are stamped anew before each. */
export interface Chunk {
  readonly bytes: Buffer;
  readonly frames: number;
  readonly stamped: () => Buffer;
}

const CHUNK_BYTES = 1 << 16;

/** All frames of a load, in chunks of some 64 KiB that are written over and over. */
export function chunksOf({ nodes, jobs }: Load): readonly Chunk[] {
  const all = Array.from({ length: jobs }, (_, n) => textFrame(textOf(promptIdOf(n), nodes)));
  const chunks: Chunk[] = [];
  let bytes = 0;
  let frames: Buffer[] = [];
  const close = (): void => {
    if (frames.length > 0) chunks.push(chunkOf(frames));
    [bytes, frames] = [0, []];
  };
  for (let n = 0; n < jobs || (chunks.length === 0 && bytes < CHUNK_BYTES); n += 1) {
    const frame = all[n % jobs]!;
    frames.push(frame);
    bytes += frame.length;
    if (bytes >= CHUNK_BYTES) close();
  }
  close();
  return chunks;
}

export function chunkOf(frames: readonly Buffer[]): Chunk {
  const bytes = Buffer.concat(frames);
  const places: number[] = [];
  for (let at = bytes.indexOf(String(PLACE)); at !== -1; at = bytes.indexOf(String(PLACE), at + 9)) places.push(at);
  return {
    bytes,
    frames: frames.length,
    stamped: () => {
      const now = String(stamp());
      for (const place of places) bytes.write(now, place, 'latin1');
      return bytes;
    },
  };
}

/** A frame of one job of a load, its value still to be stamped. */
export const frameOf = (load: Load, job: number): Buffer => textFrame(textOf(promptIdOf(job), load.nodes));
