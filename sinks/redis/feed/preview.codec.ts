import * as E from 'fp-ts/Either';
import { pipe } from 'fp-ts/function';
import { parse } from 'fp-ts/Json';
import * as t from 'io-ts';
import type { Preview } from '../../../streams/board/board';

const message = t.type({ nodeId: t.string, mimeType: t.string, image: t.string });

/** Encodes a preview for its job's channel. */
export const encodePreview = ({ nodeId, mimeType, image }: Preview): string =>
  JSON.stringify({ nodeId, mimeType, image: Buffer.from(image).toString('base64') });

/** Decodes a preview; `undefined` if the text is none. */
export const decodePreview = (promptId: string, text: string): Preview | undefined =>
  pipe(
    parse(text),
    E.flatMap((value) => message.decode(value)),
    E.map(({ nodeId, mimeType, image }) => ({ promptId, nodeId, mimeType, image: Buffer.from(image, 'base64') })),
    E.getOrElse((): Preview | undefined => undefined),
  );
