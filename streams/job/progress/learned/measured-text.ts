import { MOST_PHASES } from '../node/phases';
import type { Phase } from '../plan/expected';
import { RUNS, type Measured, type Taken } from './measured';

const rounded = (value: number): number => Number(value.toPrecision(3));

/**
 * The stored text of a measured node, a JSON list: `alone`, then a column per field with one number per run. Without
 * steps only `beforeMs`; else also `stepMs`, `steps`, `rounds` and `afterMs`, as a single number if all are equal; then
 * for each further bar its steps and its times, and its rounds if those are several.
 */
export function measuredToText({ runs, alone }: Measured): string {
  const column = (of: (taken: Taken) => number): readonly number[] => runs.map((taken) => rounded(of(taken)));
  const short = (values: readonly number[]): unknown =>
    values.every((each) => each === values[0]) ? values[0] : values;
  const before = column(({ beforeMs }) => beforeMs);
  const later = (runs.at(-1)?.later ?? []).map(({ steps, rounds }, place) => [
    rounded(steps),
    ...runs.map((taken) => rounded(taken.later?.[place]?.ms ?? 0)),
    ...(rounds > 1 ? [rounded(rounds)] : []),
  ]);
  if (runs.every(({ stepMs }) => stepMs === 0) && later.length === 0) return JSON.stringify([rounded(alone), before]);
  const others = [
    column(({ stepMs }) => stepMs),
    column(({ steps }) => steps),
    column(({ rounds }) => rounds),
    column(({ afterMs }) => afterMs),
  ];
  return JSON.stringify([rounded(alone), before, ...others.map(short), ...(later.length > 0 ? [later] : [])]);
}

/** Reads what `measuredToText` wrote, or an earlier version; `undefined` for anything else. */
export function measuredFrom(value: unknown): Measured | undefined {
  if (!Array.isArray(value)) return undefined;
  if (value.length === 6 && areAmounts(value)) return fromMeans(value);
  const [alone, before, ...rest] = value as readonly unknown[];
  const [others, bars] = [rest.slice(0, 4), rest[4] ?? []];
  if (!isAmount(alone) || !areAmounts(before) || before.length === 0 || before.length > RUNS) return undefined;
  const columns = others.map((column) => (isAmount(column) ? before.map(() => column) : column));
  const isWhole = (column: unknown): column is readonly number[] =>
    areAmounts(column) && column.length === before.length;
  if ((columns.length !== 0 && columns.length !== 4) || !columns.every(isWhole)) return undefined;
  if (rest.length > 5 || !areBars(bars, before.length)) return undefined;
  const at = (column: number, run: number, otherwise: number): number => columns[column]?.[run] ?? otherwise;
  const runs = before.map((beforeMs, run) => ({
    ...laterIn(bars, run, before.length),
    beforeMs,
    stepMs: at(0, run, 0),
    steps: at(1, run, 1),
    rounds: at(2, run, 1),
    afterMs: at(3, run, 0),
    alone,
  }));
  return { runs, alone };
}

/** Reads the earlier format, which had the number of runs and their means. */
function fromMeans(means: readonly number[]): Measured {
  const [count = 1, beforeMs = 0, stepMs = 0, steps = 1, rounds = 1, alone = 1] = means;
  const taken: Taken = { beforeMs, stepMs, steps, rounds: Math.max(1, Math.round(rounds)), afterMs: 0, alone };
  return { runs: Array.from({ length: Math.max(1, Math.min(3, Math.round(count))) }, () => taken), alone };
}

/**
 * Whether a value lists further bars: for each its steps, then its time in each run, 0 if that run had no such bar, and
 * its rounds.
 */
const areBars = (bars: unknown, runs: number): bars is readonly (readonly number[])[] =>
  Array.isArray(bars) &&
  bars.length <= MOST_PHASES &&
  bars.every((bar) => areAmounts(bar) && (bar.length === runs + 1 || bar.length === runs + 2));

function laterIn(
  bars: readonly (readonly number[])[],
  run: number,
  runs: number,
): { readonly later?: readonly Phase[] } {
  const later = bars.map(([steps = 1, ...times]) => ({
    steps: Math.max(1, steps),
    rounds: Math.max(1, times[runs] ?? 1),
    ms: times[run] ?? 0,
  }));
  const had = later.filter(({ ms }) => ms > 0);
  return had.length > 0 ? { later: had } : {};
}

/** Whether a value is a plausible number of ms, steps or rounds. */
export const isAmount = (value: unknown): value is number => typeof value === 'number' && value >= 0 && value < 1e12;
const areAmounts = (value: unknown): value is readonly number[] => Array.isArray(value) && value.every(isAmount);
