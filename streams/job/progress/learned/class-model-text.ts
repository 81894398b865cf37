import { BEFORE_NAMES, MOST_COUNTS, MOST_MODELS, MOST_NAMES, type Model } from './class-model';
import { roundsFrom } from './class-rounds';
import { isAmount } from './measured-text';

/** The upper half of XᵀX, which is symmetric: only that is stored. */
const upper = (xx: readonly number[], size: number): readonly number[] =>
  xx.filter((_, i) => i % size >= Math.floor(i / size));

function whole(kept: readonly number[], size: number): readonly number[] {
  const xx = Array.from({ length: size * size }, () => 0);
  let place = 0;
  for (let row = 0; row < size; row++)
    for (let column = row; column < size; column++) {
      xx[row * size + column] = xx[column * size + row] = kept[place] ?? 0;
      place += 1;
    }
  return xx;
}

/**
 * Four decimals of sums small and large: where all runs were alike, a coefficient is told from nothing by the ridge
 * alone, which is 0.015, and sums of thousands were once rounded to 0.05.
 */
const short = (value: number): number => Number(value.toFixed(4));

/** The text of a model, as it is stored. */
export const modelToText = ({ names, runs, xx, fixed, step, stepping, steps, rounds, models, counts }: Model): string =>
  JSON.stringify([
    names,
    runs,
    upper(xx, fixed.length).map(short),
    fixed.map(short),
    step.map(short),
    stepping,
    steps,
    rounds,
    models,
    ...(counts === undefined ? [] : [counts]),
  ]);

/**
 * Reads what `modelToText` wrote; `undefined` for anything else, and for the earlier format, which used other priors.
 */
export function modelFrom(value: unknown): Model | undefined {
  if (!Array.isArray(value) || (value.length !== 9 && value.length !== 10)) return undefined;
  const [names, runs, xx, fixed, step, stepping, steps, rounds, models, counts] = value as readonly unknown[];
  if (!areTexts(names) || names.length > MOST_NAMES || typeof stepping !== 'boolean') return undefined;
  const size = names.length + BEFORE_NAMES;
  if (!areFinite(xx) || !areFinite(fixed) || !areFinite(step)) return undefined;
  if (xx.length !== (size * (size + 1)) / 2 || fixed.length !== size || step.length !== size) return undefined;
  const told = { steps: roundsFrom(steps), rounds: roundsFrom(rounds) };
  if (!isAmount(runs) || told.steps === undefined || told.rounds === undefined) return undefined;
  if (!areTexts(models) || models.length > MOST_MODELS) return undefined;
  if (counts !== undefined && (!areTexts(counts) || counts.length > MOST_COUNTS)) return undefined;
  const sums = { xx: whole(xx, size), fixed, step };
  return { names, runs, ...sums, stepping, steps: told.steps, rounds: told.rounds, models, counts };
}

const areTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((each) => typeof each === 'string');
/** Whether all are finite: JSON may hold numbers that JavaScript reads as ∞, of which times would be ∞ or NaN. */
const areFinite = (value: unknown): value is readonly number[] => Array.isArray(value) && value.every(Number.isFinite);
