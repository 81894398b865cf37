import { hash } from '../plan/hash';
import { isAmount } from './measured-text';

/**
 * How many rounds the nodes of a class made, one number per workflow, the newest last. By workflow, as a list that
 * makes a sampler of one workflow count eight times says nothing of the other workflows.
 */
export type ClassRounds = readonly (readonly [graph: string, rounds: number])[];

/** How many workflows are kept. */
const MOST_GRAPHS = 5;

/** The rounds with those of one more run of a node; `shape` is its workflow's, whose last number they replace. */
export function withRounds(before: ClassRounds, shape: string, rounds: number): ClassRounds {
  const graph = hash(shape).slice(-4);
  return [...before.filter(([other]) => other !== graph), [graph, Number(rounds.toPrecision(3))] as const].slice(
    -MOST_GRAPHS,
  );
}

/** The median over the workflows, of two the smaller; and by how much the logarithm varies around it. */
export function roundsOf(seen: ClassRounds): { readonly rounds: number; readonly spread: number } {
  const sorted = seen.map(([, rounds]) => rounds).sort((a, b) => a - b);
  const rounds = sorted[(sorted.length - 1) >> 1] ?? 1;
  const logs = sorted.map((each) => Math.log(Math.max(1, each) / Math.max(1, rounds)));
  const squares = logs.reduce((sum, log) => sum + log * log, 0);
  return { rounds, spread: rounds > 1 ? Math.sqrt(squares / Math.max(1, logs.length)) : 0 };
}

/** Reads stored rounds; `undefined` for anything else. */
export function roundsFrom(value: unknown): ClassRounds | undefined {
  if (!Array.isArray(value) || value.length > MOST_GRAPHS) return undefined;
  return value.every(isTold) ? value : undefined;
}

const isTold = (value: unknown): value is readonly [string, number] =>
  Array.isArray(value) && value.length === 2 && typeof value[0] === 'string' && isAmount(value[1]);
