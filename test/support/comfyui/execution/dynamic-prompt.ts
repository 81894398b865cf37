import type { ExpandedNode, Prompt, PromptNode } from './graph';

/** A workflow and the nodes that its loops and subgraphs made while it ran. */
export class DynamicPrompt {
  private readonly ephemeral = new Map<string, ExpandedNode & { parentId: string }>();

  constructor(readonly original: Prompt) {}

  node(id: string): PromptNode {
    const node = this.original[id] ?? this.ephemeral.get(id);
    if (!node) throw new Error(`no node ${id}`);
    return node;
  }

  add(id: string, node: ExpandedNode, parentId: string): void {
    this.ephemeral.set(id, { ...node, parentId });
  }

  parentId(id: string): string | null {
    return this.ephemeral.get(id)?.parentId ?? null;
  }

  /** The node of the workflow that this one came from. */
  realId(id: string): string {
    const parent = this.parentId(id);
    return parent === null ? id : this.realId(parent);
  }

  /** The node of the workflow to show this one at. */
  displayId(id: string): string {
    const node = this.ephemeral.get(id);
    return node ? this.displayId(node.displayId ?? node.parentId) : id;
  }
}
