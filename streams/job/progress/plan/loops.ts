import type { Graph, GraphNode } from '../../workflow';
import { numberOf } from './declared-steps';
import { wordsOf } from './priors';

/** A loop, found at its last node: its first node, the nodes between, and how often it goes round in all. */
export interface Loop {
  readonly first: string;
  readonly times: number;
  readonly body: readonly string[];
}

const BEGINS = /loop.*(start|open|begin)/i;
const ENDS = /loop.*(end|close)/i;
/** Names of inputs by which a loop's first node declares how often it goes round. */
const TIMES = ['total', 'iterations', 'loop_count', 'loops', 'times', 'count', 'remaining'];
const MOST_TIMES = 10_000;
/** How many nodes are searched for those of a loop. */
const SEARCHED = 2_000;

/** The loop that ends with this node, if it declares how often it goes round. */
export function loopOf(graph: Graph, node: GraphNode): Loop | undefined {
  if (!ENDS.test(node.type)) return undefined;
  const first = node.inputs.find((id) => BEGINS.test(graph.get(id)?.type ?? ''));
  const begins = graph.get(first ?? '');
  if (first === undefined || begins === undefined) return undefined;
  for (const name of TIMES) {
    const times = numberOf(graph, begins, name);
    if (times !== undefined && times >= 1 && times <= MOST_TIMES)
      return { first, times, body: bodyOf(graph, node, first) };
  }
  return undefined;
}

/** The nodes on the way from the first node to the last. */
function bodyOf(graph: Graph, last: GraphNode, first: string): readonly string[] {
  const before = reachable(last.inputs, (id) => graph.get(id)?.inputs ?? []);
  const after = new Map<string, string[]>();
  for (const id of before)
    for (const input of graph.get(id)?.inputs ?? []) {
      const others = after.get(input) ?? [];
      others.push(id);
      after.set(input, others);
    }
  const body = reachable([first], (id) => after.get(id) ?? []);
  return [...body].filter((id) => before.has(id));
}

function reachable(from: readonly string[], next: (id: string) => readonly string[]): ReadonlySet<string> {
  const seen = new Set(from);
  const open = [...seen];
  for (let id = open.pop(); id !== undefined && seen.size < SEARCHED; id = open.pop())
    for (const other of next(id)) {
      if (seen.has(other)) continue;
      seen.add(other);
      open.push(other);
    }
  return seen;
}

/**
 * Classes that make a list: the nodes after one run once for each item, until a class of `ENDS_LISTS` joins the items.
 */
const LISTS = /\blist\b|for ?each|\bxy ?plot\b/;
const NO_LISTS = /\b(join|merge)\b|\blist (to|length|count|select|pick|index|item|any)/;
const ENDS_LISTS = /list to|rebatch|^(create|make) .*batch/;
/** The guessed length of a list, which is not known before it was worked through. */
export const LISTED = 4;

/** The nodes that run once for each item of a list. */
export function listedIn(graph: Graph): ReadonlySet<string> {
  const known = new Map<string, Listing>();
  const makers: string[] = [];
  for (const [id, { type }] of graph) {
    const listing = known.get(type) ?? listingOf(type);
    known.set(type, listing);
    if (listing.makes) makers.push(id);
  }
  if (makers.length === 0) return none;
  const after = new Map<string, string[]>();
  for (const [id, { inputs, type }] of graph) {
    if (known.get(type)?.ends === true) continue;
    for (const input of inputs) {
      const others = after.get(input) ?? [];
      others.push(id);
      after.set(input, others);
    }
  }
  const first = makers.flatMap((id) => after.get(id) ?? []);
  return reachable(first, (id) => after.get(id) ?? []);
}

/** Whether a class makes a list, and whether it joins a list's items. */
interface Listing {
  readonly makes: boolean;
  readonly ends: boolean;
}

function listingOf(type: string): Listing {
  const words = wordsOf(type);
  return { makes: LISTS.test(words) && !NO_LISTS.test(words), ends: ENDS_LISTS.test(words) };
}

const none: ReadonlySet<string> = new Set();
