import { hash } from '../plan/hash';
import { isAmount } from './measured-text';

/**
 * How often nodes of a class count from the start, by workflow, the newest last: a list makes a sampler of one workflow count eight
 * times, and says nothing of those of the others.
 */
export type ClassRounds = readonly (readonly [graph: string, rounds: number])[];

/** So many workflows have a say. */
const MOST_GRAPHS = 5;

/** With what a node of this workflow counted last. */
export function withRounds(before: ClassRounds, shape: string, rounds: number): ClassRounds {
  const graph = hash(shape).slice(-4);
  return [...before.filter(([other]) => other !== graph), [graph, Number(rounds.toPrecision(3))] as const].slice(
    -MOST_GRAPHS,
  );
}

/** The middle of what workflows told, of two the less; and by how much its logarithm varies among them. */
export function roundsOf(seen: ClassRounds): { readonly rounds: number; readonly spread: number } {
  const sorted = seen.map(([, rounds]) => rounds).sort((a, b) => a - b);
  const rounds = sorted[(sorted.length - 1) >> 1] ?? 1;
  const logs = sorted.map((each) => Math.log(Math.max(1, each) / Math.max(1, rounds)));
  const squares = logs.reduce((sum, log) => sum + log * log, 0);
  return { rounds, spread: rounds > 1 ? Math.sqrt(squares / Math.max(1, logs.length)) : 0 };
}

/** Reads what was kept; `undefined` where it is anything else. */
export function roundsFrom(value: unknown): ClassRounds | undefined {
  if (!Array.isArray(value) || value.length > MOST_GRAPHS) return undefined;
  return value.every(isTold) ? value : undefined;
}

const isTold = (value: unknown): value is readonly [string, number] =>
  Array.isArray(value) && value.length === 2 && typeof value[0] === 'string' && isAmount(value[1]);
