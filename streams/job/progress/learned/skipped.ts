import { remember } from '../../../maps/remember';
import type { PlanNode } from '../plan/plan';
import { namesOf } from '../plan/telling';
import type { RunClock } from '../run-clock';

/** How many nodes are kept, and how many inputs of each. */
const MOST = 500;
const MOST_INPUTS = 32;
const MOST_LETTERS = 200;

/** A stored entry; without a text it is to be removed. */
type Entry = readonly [key: string, text: string | undefined];

interface Without {
  readonly type: string;
  readonly inputs: readonly string[];
}

/** The inputs that lazy nodes did without in their last runs; by node, with what it declares, of a workflow. */
export class Skipped {
  readonly #known = new Map<string, Without>();
  /** The classes of those nodes, until they change: only nodes of these are looked for. */
  #types: ReadonlySet<string> | undefined;

  of(server: string, node: PlanNode): readonly string[] | undefined {
    this.#types ??= new Set([...this.#known.values()].map(({ type }) => type));
    return this.#types.has(node.type) ? this.#known.get(keyOf(server, node))?.inputs : undefined;
  }

  has(key: string): boolean {
    return this.#known.has(key);
  }

  /** Takes in a node of a run at its end; returns the entries to store. */
  learn(server: string, node: PlanNode, { nodes, cached, lazy }: RunClock): readonly Entry[] {
    if (lazy.get(node.id)?.hasAsked !== true) return [];
    const inputs = node.inputs
      .filter((input) => !cached.has(input) && nodes.get(input) === undefined)
      .slice(0, MOST_INPUTS);
    if (inputs.length === 0 && this.of(server, node) === undefined) return [];
    const key = keyOf(server, node);
    if (inputs.length === 0) {
      this.#known.delete(key);
      this.#types = undefined;
      return [[key, undefined]];
    }
    const dropped = this.#note(key, { type: node.type, inputs });
    const entry: Entry = [key, JSON.stringify([node.type, ...inputs])];
    return dropped === undefined ? [entry] : [entry, [dropped[0], undefined]];
  }

  /** Takes in a stored entry, unless it cannot be read; returns one that is dropped for lack of room. */
  take(key: string, value: unknown): readonly [string, unknown] | undefined {
    if (!Array.isArray(value) || value.length < 2 || value.length > MOST_INPUTS + 1 || !value.every(isName)) return;
    const [type = '', ...inputs] = value;
    return this.#note(key, { type, inputs });
  }

  #note(key: string, without: Without): readonly [string, unknown] | undefined {
    this.#types = undefined;
    return remember(this.#known, key, without, MOST);
  }
}

const keyOf = (server: string, node: PlanNode): string => `w${server}:${namesOf(node)[0]}`;
const isName = (value: unknown): value is string => typeof value === 'string' && value.length <= MOST_LETTERS;
