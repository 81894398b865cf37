import * as E from 'fp-ts/Either';
import * as t from 'io-ts';
import { MalformedFrame } from './frame.codec';

/** A preview image of a running node. Legacy ones (type 1) name neither job nor node. */
export interface PreviewFrame {
  readonly promptId?: string;
  readonly nodeId?: string;
  readonly mimeType: string;
  readonly image: Uint8Array;
}

const metadata = t.type({ prompt_id: t.string, node_id: t.string, image_type: t.string });

/** Reads a binary frame (big-endian uint32 event type first): a preview, `undefined` where it is none of our business, or how it is malformed. */
export function decodeBinaryFrame(frame: Buffer): E.Either<MalformedFrame, PreviewFrame | undefined> {
  if (frame.length < 8) return E.left(new MalformedFrame('binary: too short'));
  switch (frame.readUInt32BE(0)) {
    case 1:
      if (frame.length === 8) return E.left(new MalformedFrame('binary 1: no image'));
      return E.right({ mimeType: frame.readUInt32BE(4) === 2 ? 'image/png' : 'image/jpeg', image: frame.subarray(8) });
    case 4:
      return withMetadata(frame);
    default:
      return E.right(undefined);
  }
}

function withMetadata(frame: Buffer): E.Either<MalformedFrame, PreviewFrame> {
  const start = 8 + frame.readUInt32BE(4);
  if (start > frame.length) return E.left(new MalformedFrame('binary 4: metadata longer than the frame'));
  let decoded: unknown;
  try {
    decoded = JSON.parse(frame.toString('utf8', 8, start));
  } catch {
    return E.left(new MalformedFrame('binary 4: metadata is no JSON'));
  }
  if (!metadata.is(decoded)) return E.left(new MalformedFrame('binary 4: metadata lacks a field'));
  if (!/^image\/[a-z0-9.+-]+$/.test(decoded.image_type)) return E.left(new MalformedFrame('binary 4: no image type'));
  if (start === frame.length) return E.left(new MalformedFrame('binary 4: no image'));
  return E.right({
    promptId: decoded.prompt_id,
    nodeId: decoded.node_id,
    mimeType: decoded.image_type,
    image: frame.subarray(start),
  });
}
