import { createHash } from 'node:crypto';
import { isLink } from './graph';
import type { Prompt } from './graph';
import { nodeClass } from '../nodes/nodes';
import { pythonJson } from '../http/python-json';

/** What a node gave when it ran. */
export interface NodeOutput {
  readonly outputs: readonly unknown[];
  readonly ui?: Readonly<Record<string, unknown>> | undefined;
}

/** What nodes gave in earlier jobs, by what they were and everything they came from. */
export class OutputCache {
  private readonly entries = new Map<string, NodeOutput>();

  get(signature: string): NodeOutput | undefined {
    return this.entries.get(signature);
  }

  set(signature: string, output: NodeOutput): void {
    this.entries.set(signature, output);
  }
}

/** What each node of a workflow is and comes from, as one string a node: equal strings give equal outputs. */
export function signatures(prompt: Prompt): Map<string, string> {
  const known = new Map<string, string>();
  const sign = (id: string): string => {
    const node = prompt[id];
    if (!node) return '';
    const done = known.get(id);
    if (done !== undefined) return done;
    known.set(id, '');
    const inputs = Object.entries(node.inputs).sort(([a], [b]) => (a < b ? -1 : 1));
    const parts = inputs.map(([name, value]) => [name, isLink(value) ? [sign(value[0]), value[1]] : value]);
    const self = nodeClass(node.class_type)?.unique ? id : '';
    const signature = createHash('sha1')
      .update(pythonJson([node.class_type, self, parts]))
      .digest('hex');
    known.set(id, signature);
    return signature;
  };
  for (const id of Object.keys(prompt)) sign(id);
  return known;
}
