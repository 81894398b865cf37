import * as E from 'fp-ts/Either';
import { pipe } from 'fp-ts/function';
import { parse } from 'fp-ts/Json';
import * as t from 'io-ts';
import type { Preview } from '../../../streams/board/board';

const message = t.type({ nodeId: t.string, mimeType: t.string, image: t.string });

/** A preview as it is published for its job. */
export const encodePreview = ({ nodeId, mimeType, image }: Preview): string =>
  JSON.stringify({ nodeId, mimeType, image: Buffer.from(image).toString('base64') });

/** Reads a preview of a job; nothing where it is none. */
export const decodePreview = (promptId: string, text: string): Preview | undefined =>
  pipe(
    parse(text),
    E.flatMap((value) => message.decode(value)),
    E.map(({ nodeId, mimeType, image }) => ({ promptId, nodeId, mimeType, image: Buffer.from(image, 'base64') })),
    E.getOrElse((): Preview | undefined => undefined),
  );
