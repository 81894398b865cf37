import { hash } from './hash';
import { asNumber, isSeed } from './numbers';
import type { PlanNode } from './plan';

/** What a node's time may depend on, by name: numbers of its own and, under `@`, its steps and the size of what it works on. */
export function numbersOf({ literals, steps, context }: PlanNode): ReadonlyMap<string, number> {
  const numbers = new Map<string, number>();
  for (const [name, value] of literals) {
    const number = asNumber(value);
    if (number !== undefined && number >= 0 && number < 1e6 && !isSeed(name)) numbers.set(name, number);
  }
  if (steps !== undefined) numbers.set('@steps', steps);
  for (const [name, size] of context.sizes) numbers.set(name, size);
  return numbers;
}

/** Names for a node with the inputs that matter, and its model: in this graph; and in any, where what feeds it is of the same classes. */
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
