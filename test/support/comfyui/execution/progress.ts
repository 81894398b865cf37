import type { DynamicPrompt } from './dynamic-prompt';
import { Float } from '../http/python-json';

interface Entry {
  value: number | Float;
  max: number | Float;
  state: 'running' | 'finished';
}

/** Where a node stands in its workflow, as frames tell it. */
export function nodePlace(prompt: DynamicPrompt, nodeId: string, promptId: string) {
  return {
    node_id: nodeId,
    prompt_id: promptId,
    display_node_id: prompt.displayId(nodeId),
    parent_node_id: prompt.parentId(nodeId),
    real_node_id: prompt.realId(nodeId),
  };
}

/** Every node that has started, and the `progress_state` frame that says so after each change. */
export class ProgressRegistry {
  private readonly entries = new Map<string, Entry>();

  constructor(
    private readonly prompt: DynamicPrompt,
    private readonly promptId: string,
    private readonly send: (data: object) => void,
  ) {}

  start(nodeId: string): void {
    this.set(nodeId, { value: new Float(0), max: new Float(1), state: 'running' });
  }

  update(nodeId: string, value: number | Float, max: number | Float): void {
    this.set(nodeId, { value, max, state: 'running' });
  }

  /** A node that never started, being cached, has the integers that Python's defaults are. */
  finish(nodeId: string): void {
    const max = this.entries.get(nodeId)?.max ?? 1;
    this.set(nodeId, { value: max, max, state: 'finished' });
  }

  private set(nodeId: string, entry: Entry): void {
    this.entries.set(nodeId, entry);
    const nodes = new Map<string, object>();
    for (const [id, { value, max, state }] of this.entries) {
      nodes.set(id, { value, max, state, ...nodePlace(this.prompt, id, this.promptId) });
    }
    this.send({ prompt_id: this.promptId, nodes });
  }
}
