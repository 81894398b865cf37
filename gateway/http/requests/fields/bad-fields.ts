import { bounds } from '../../../../streams/bounds';
import type { FieldError } from '../../../wire/described.codec';
import { Problem, type ProblemDetails } from '../../../wire/problem';

/** What is told of bad fields: the first in words, and not more than a person reads. */
export function detailsOf(errors: readonly FieldError[]): ProblemDetails {
  const [first, ...others] = errors;
  const more = others.length > 0 ? `, and ${others.length} more` : '';
  return {
    detail: `${first?.field ?? 'It'} ${first?.message ?? 'is wrong'}${more}.`.replace(/\?\.$/, '?'),
    errors: errors.slice(0, bounds.fieldErrors),
  };
}

export const badFields = (errors: readonly FieldError[]): Problem => new Problem('bad-request', detailsOf(errors));
