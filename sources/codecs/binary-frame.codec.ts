import * as E from 'fp-ts/Either';
import * as t from 'io-ts';
import { bounds } from '../../streams/bounds';
import { MalformedFrame } from './frame.codec';

/** A preview image of a running node. Legacy ones (type 1) name neither job nor node. */
export interface PreviewFrame {
  readonly promptId?: string;
  readonly nodeId?: string;
  readonly mimeType: string;
  readonly image: Uint8Array;
}

const metadata = t.type({ prompt_id: t.string, node_id: t.string, image_type: t.string });

/** The most bytes of metadata that a picture comes with; a frame with more is malformed. */
const METADATA_BYTES = 65_536;

/**
 * Reads a binary frame, which begins with its type as a big-endian uint32: a preview, `undefined` if it is of another
 * type, or an error if it is malformed.
 */
export function decodeBinaryFrame(frame: Buffer): E.Either<MalformedFrame, PreviewFrame | undefined> {
  if (frame.length < 8) return E.left(new MalformedFrame('binary: too short'));
  switch (frame.readUInt32BE(0)) {
    case 1:
      if (frame.length === 8) return E.left(new MalformedFrame('binary 1: no image'));
      return E.right(
        animated(frame) ?? {
          mimeType: frame.readUInt32BE(4) === 2 ? 'image/png' : 'image/jpeg',
          image: frame.subarray(8),
        },
      );
    case 4:
      return withMetadata(frame);
    default:
      return E.right(undefined);
  }
}

/**
 * Bytes before the JPEG in animated latent previews of custom nodes: the number 1, the image's number, and the node's
 * id as a Pascal string of 16 bytes.
 */
const ENVELOPE = 24;

function animated(frame: Buffer): PreviewFrame | undefined {
  const start = 8 + ENVELOPE;
  const isJpeg = frame.length > start + 2 && frame.readUInt16BE(start) === 0xffd8;
  if (!isJpeg || frame.readUInt32BE(8) !== 1) return undefined;
  const length = frame[16] ?? 0;
  const nodeId = frame.toString('latin1', 17, 17 + Math.min(15, length));
  return { ...(nodeId !== '' && { nodeId }), mimeType: 'image/jpeg', image: frame.subarray(start) };
}

function withMetadata(frame: Buffer): E.Either<MalformedFrame, PreviewFrame | undefined> {
  const start = 8 + frame.readUInt32BE(4);
  if (start > frame.length) return E.left(new MalformedFrame('binary 4: metadata longer than the frame'));
  if (start > METADATA_BYTES) return E.left(new MalformedFrame('binary 4: metadata too long'));
  let decoded: unknown;
  try {
    decoded = JSON.parse(frame.toString('utf8', 8, start));
  } catch {
    return E.left(new MalformedFrame('binary 4: metadata is no JSON'));
  }
  if (!metadata.is(decoded)) return E.left(new MalformedFrame('binary 4: metadata lacks a field'));
  const { prompt_id, node_id, image_type } = decoded;
  if (prompt_id.length > bounds.nodeIdLength || node_id.length > bounds.madeNodeIdLength)
    return E.left(new MalformedFrame('binary 4: an id too long'));
  if (!/^image\/[a-z0-9.+-]{1,50}$/.test(image_type)) return E.left(new MalformedFrame('binary 4: no image type'));
  if (start === frame.length) return E.left(new MalformedFrame('binary 4: no image'));
  // An SVG may hold scripts, and no node of ComfyUI sends one.
  if (image_type.startsWith('image/svg')) return E.right(undefined);
  return E.right({ promptId: prompt_id, nodeId: node_id, mimeType: image_type, image: frame.subarray(start) });
}
