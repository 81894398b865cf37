import * as E from 'fp-ts/Either';
import * as t from 'io-ts';
import { bounds } from '../../../../streams/bounds';
import { decoded, type FieldError, type Given } from '../../../wire/described.codec';
import { objectionsToNames } from './unknown-fields';
import { isRecord } from '../../../../streams/options';

/**
 * Decodes an object that may have the codec's fields and no others: to ignore one would do what nobody asked for (R18).
 * Left: at most `bounds.fieldErrors` (20) bad fields.
 */
export const decodedFields = <P extends t.Props>(
  codec: t.TypeC<P>,
  given: unknown,
): E.Either<readonly FieldError[], Given<t.TypeOf<t.TypeC<P>>>> => {
  const unknown = isRecord(given) ? objectionsToNames(Object.keys(given), codec.props) : [];
  const known = decoded(codec, given);
  const errors = E.isLeft(known) ? [...unknown, ...known.left] : unknown;
  return errors.length > 0 ? E.left(errors.slice(0, bounds.fieldErrors)) : known;
};
