import * as E from 'fp-ts/Either';
import { pipe } from 'fp-ts/function';
import * as t from 'io-ts';
import type { FieldError, Given } from '../../wire/described.codec';
import { decodedFields } from './fields/decoded-fields.codec';
import { isRecord } from '../../../streams/options';

/** `decodedFields` of a body; one that is no object is the bad field `body`. */
export const decodedBody = <P extends t.Props>(
  codec: t.TypeC<P>,
  body: unknown,
): E.Either<readonly FieldError[], Given<t.TypeOf<t.TypeC<P>>>> =>
  isWorkflow(body)
    ? E.left([{ field: 'body', message: BARE }])
    : pipe(
        decodedFields(codec, body),
        E.mapLeft((errors) => errors.map(({ field, message }) => ({ field: field === '' ? 'body' : field, message }))),
      );

const BARE = 'is a workflow itself; send it as {"workflow": …, "type": …}';
/** Whether the body is ComfyUI's export itself, which newcomers send first. */
const isWorkflow = (body: unknown): boolean => {
  const nodes = isRecord(body) ? Object.values(body) : [];
  return nodes.length > 0 && nodes.every((node) => isRecord(node) && typeof node['class_type'] === 'string');
};
