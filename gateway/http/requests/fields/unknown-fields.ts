import { closest, distance } from 'fastest-levenshtein';
import type { FieldError } from '../../../wire/described.codec';
import { cut } from '../../../../streams/workflow/shown-text';

/** Fields that ComfyUI's API names otherwise, by ComfyUI's name. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  prompt: 'workflow',
  extra_data: 'extraData',
  partial_execution_targets: 'partialExecutionTargets',
};
/** A name with at most 3 wrong letters counts as a slip. */
const SLIPS = 3;

/** An error for each name that is not in `known`, the first 100, with the known name that was probably meant. */
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
