/** A node of a workflow in ComfyUI's API format. */
export interface PromptNode {
  readonly class_type: string;
  readonly inputs: Readonly<Record<string, unknown>>;
}

/** A workflow in ComfyUI's API format: nodes by id. */
export type Prompt = Readonly<Record<string, PromptNode>>;

/** An input that is another node's output: that node's id and which of its outputs. */
export type Link = readonly [nodeId: string, socket: number];

export function isLink(value: unknown): value is Link {
  return Array.isArray(value) && value.length === 2 && typeof value[0] === 'string' && typeof value[1] === 'number';
}

/** A node that another one turned into. */
export interface ExpandedNode extends PromptNode {
  /** The node to show it at, where that is not the one it came from. */
  readonly displayId?: string;
}
