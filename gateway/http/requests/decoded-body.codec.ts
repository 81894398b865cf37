import * as E from 'fp-ts/Either';
import * as t from 'io-ts';
import { bounds } from '../../../streams/bounds';
import { decoded, type FieldError } from '../../wire/described.codec';
import { objectionsToNames } from './fields/unknown-fields';

/** A body of these fields and no others; of what is wrong at most `bounds.fieldErrors`. */
export const decodedBody = <P extends t.Props>(
  codec: t.TypeC<P>,
  body: unknown,
): E.Either<readonly FieldError[], t.TypeOf<t.TypeC<P>>> => {
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
