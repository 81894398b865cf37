import * as E from 'fp-ts/Either';
import { bounds } from '../../../../streams/bounds';
import type { FieldError } from '../../../wire/described.codec';
import { Problem, type ProblemDetails } from '../../../wire/problem';

/** A problem's details for bad fields: the first as a sentence, and a list of at most `bounds.fieldErrors` (20). */
export function detailsOf(errors: readonly FieldError[]): ProblemDetails {
  const [first, ...others] = errors;
  const more = others.length > 0 ? `, and ${others.length} more` : '';
  return {
    detail: `${first?.field ?? 'It'} ${first?.message ?? 'is wrong'}${more}.`.replace(/\?\.$/, '?'),
    errors: errors.slice(0, bounds.fieldErrors),
  };
}

export const badFields = (errors: readonly FieldError[]): Problem => new Problem('bad-request', detailsOf(errors));

/** What was decoded. Throws `badFields` if it could not be. */
export const orBadFields = <A>(decoded: E.Either<readonly FieldError[], A>): A => {
  if (E.isRight(decoded)) return decoded.right;
  throw badFields(decoded.left);
};
