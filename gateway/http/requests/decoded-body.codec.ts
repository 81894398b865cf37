import * as E from 'fp-ts/Either';
import * as t from 'io-ts';
import { bounds } from '../../../streams/bounds';
import { decoded, type FieldError, type Given } from '../../wire/described.codec';
import { objectionsToNames } from './fields/unknown-fields';

/**
 * Decodes a body that may have the codec's fields and no others. Left: at most `bounds.fieldErrors` (20) bad fields.
 */
export const decodedBody = <P extends t.Props>(
  codec: t.TypeC<P>,
  body: unknown,
): E.Either<readonly FieldError[], Given<t.TypeOf<t.TypeC<P>>>> => {
  if (isWorkflow(body)) return E.left([{ field: 'body', message: BARE }]);
  const unknown =
    t.UnknownRecord.is(body) && !Array.isArray(body) ? objectionsToNames(Object.keys(body), codec.props) : [];
  const known = decoded(codec, body);
  const errors = [
    ...unknown,
    ...(E.isLeft(known)
      ? known.left.map(({ field, message }) => ({ field: field === '' ? 'body' : field, message }))
      : []),
  ];
  return errors.length > 0 || E.isLeft(known) ? E.left(errors.slice(0, bounds.fieldErrors)) : known;
};

const BARE = 'is a workflow itself; send it as {"workflow": …, "type": …}';
/** Whether the body is ComfyUI's export itself, which newcomers send first. */
const isWorkflow = (body: unknown): boolean => {
  const nodes = t.UnknownRecord.is(body) ? Object.values(body) : [];
  return nodes.length > 0 && nodes.every((node) => t.UnknownRecord.is(node) && typeof node['class_type'] === 'string');
};
