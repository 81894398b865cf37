import { hash } from './hash';
import { asNumber, isSeed } from './numbers';
import type { PlanNode } from './plan';

/**
 * The numbers that a node's time may depend on: its own by name and, under `@`, its steps and the sizes of what it
 * works on.
 */
export function numbersOf({ literals, steps, context }: PlanNode): ReadonlyMap<string, number> {
  const numbers = new Map<string, number>();
  for (const [name, value] of literals) {
    const number = asNumber(value);
    if (number !== undefined && number >= 0 && number < 1e6) numbers.set(name, number);
  }
  if (steps !== undefined) numbers.set('@steps', steps);
  for (const [name, size] of context.sizes) numbers.set(name, size);
  return numbers;
}

/**
 * Digests of a node with its model and the inputs that matter: as a node of this graph, and as one of any with such
 * inputs.
 */
export function namesOf(node: PlanNode): readonly [inGraph: string, anywhere: string] {
  const { id, type, shape, literals, steps, context, fedBy, usesModel, listed } = node;
  const parts: string[] = [];
  for (const [name, value] of literals) if (!isSeed(name)) parts.push(`${name}=${value}`);
  if (steps !== undefined) parts.push(`@steps=${steps}`);
  for (const [name, size] of context.sizes) parts.push(`${name}=${size}`);
  const model = usesModel ? (context.model ?? '') : '';
  const own = `${type}|${parts.sort().join('|')}|${model}`;
  return [hash(`${shape}/${id}/${own}`), hash(`${own}|${fedBy}|${listed}`)];
}
