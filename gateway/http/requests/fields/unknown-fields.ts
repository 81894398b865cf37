import { closest, distance } from 'fastest-levenshtein';
import type { FieldError } from '../../../wire/described.codec';
import { cut } from '../../../../streams/workflow/shown-text';

/** What ComfyUI's own API calls otherwise, or what a field of a body is not. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  prompt: 'workflow',
  extra_data: 'extraData',
  partial_execution_targets: 'partialExecutionTargets',
};
/** So many letters may be wrong in what still looks like a slip. */
const SLIPS = 3;

/** Of the names that a body, or a query, has those that nobody reads, each with what may have been meant. */
export const objectionsToNames = (
  names: readonly string[],
  known: Readonly<Record<string, unknown>>,
): readonly FieldError[] =>
  names
    .filter((name) => !Object.hasOwn(known, name))
    .slice(0, 100)
    .map((name) => ({ field: cut(name), message: `is not known${hint(cut(name), Object.keys(known))}` }));

function hint(name: string, known: readonly string[]): string {
  const meant = Object.hasOwn(ELSEWHERE, name) ? ELSEWHERE[name] : closest(name, known);
  if (meant === undefined || !known.includes(meant)) return '';
  const isNear = Object.hasOwn(ELSEWHERE, name) || distance(name.toLowerCase(), meant.toLowerCase()) <= SLIPS;
  return isNear ? `; did you mean ${meant}?` : '';
}
