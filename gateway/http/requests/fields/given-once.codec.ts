import * as E from 'fp-ts/Either';
import { isWithin } from '../../../../streams/workflow/shown-text';
import { checked } from '../../../wire/described.codec';

/** A parameter that is given once, with 1 to `most` characters: a query may repeat any. */
export const givenOnce = (most: number, description?: string) =>
  checked(
    'GivenOnce',
    (value) =>
      typeof value === 'string' && value !== '' && isWithin(most, value)
        ? E.right(value)
        : E.left(`must be given once, with 1 to ${most} characters`),
    { type: 'string', minLength: 1, maxLength: most, ...(description !== undefined && { description }) },
  );
