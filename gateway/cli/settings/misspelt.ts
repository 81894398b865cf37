import { closest, distance } from 'fastest-levenshtein';
import type { FieldError } from '../../wire/described.codec';
import { cut } from '../../../streams/workflow/shown-text';

/** Names below this are words that other programs have, too, such as `HOST`: what is near them means nothing. */
const SHORTEST = 7;
/** How many letters may be wrong; in a name of fewer than nine one. */
const SLIPS = 2;

/**
 * The variables that are probably settings with a slip of the pen, each with the one that was meant: other programs'
 * variables are passed over, and so is one that is near a setting which is given.
 */
export const misspeltAmong = (
  environment: Readonly<Record<string, string | undefined>>,
  settings: readonly string[],
): readonly FieldError[] => {
  const missing = settings.filter((name) => name.length >= SHORTEST && environment[name] === undefined);
  return Object.keys(environment).flatMap((name) => {
    if (settings.includes(name) || missing.length === 0) return [];
    const meant = closest(name.toUpperCase(), missing);
    const isNear = distance(name.toUpperCase(), meant) <= (meant.length < 9 ? 1 : SLIPS);
    return isNear ? [{ field: cut(name), message: `is no setting; did you mean ${meant}?` }] : [];
  });
};
