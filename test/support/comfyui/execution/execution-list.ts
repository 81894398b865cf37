import type { DynamicPrompt } from './dynamic-prompt';
import { isLink } from './graph';
import { nodeClass } from '../nodes/nodes';

/** Which nodes are still to run and which of them can: ComfyUI's own order, so that frames come in its order. */
export class ExecutionList {
  /** For each node to run, the nodes that wait for it. */
  private readonly waiting = new Map<string, Set<string>>();
  private readonly blockCount = new Map<string, number>();
  private readonly linked = new Map<string, Set<string>>();
  private external = 0;
  private wake = () => {};

  constructor(
    private readonly prompt: DynamicPrompt,
    private readonly isCached: (nodeId: string) => boolean,
    private readonly asyncFirst: boolean,
  ) {}

  get isEmpty(): boolean {
    return this.waiting.size === 0;
  }

  /** Adds a node and what it needs, lazy inputs apart. */
  add(nodeId: string): void {
    const ids = [nodeId];
    const links: [from: string, to: string][] = [];
    for (let id = ids.pop(); id !== undefined; id = ids.pop()) {
      if (this.waiting.has(id)) continue;
      this.waiting.set(id, new Set());
      this.blockCount.set(id, 0);
      for (const [name, value] of Object.entries(this.prompt.node(id).inputs)) {
        if (!isLink(value) || this.isLazy(id, name)) continue;
        if (!this.isCached(value[0])) ids.push(value[0]);
        links.push([value[0], id]);
      }
    }
    for (const [from, to] of links) this.require(from, to);
  }

  /** Makes one node wait for another. */
  require(from: string, to: string): void {
    this.linked.set(to, (this.linked.get(to) ?? new Set()).add(from));
    if (this.isCached(from)) return;
    this.add(from);
    const waiters = this.waiting.get(from);
    if (!waiters || waiters.has(to)) return;
    waiters.add(to);
    this.block(to, 1);
  }

  isLinked(from: string, to: string): boolean {
    return this.linked.get(to)?.has(from) ?? false;
  }

  /** Makes a node wait until the returned function is called. */
  blockOutside(nodeId: string): () => void {
    this.external += 1;
    this.block(nodeId, 1);
    return () => {
      this.external -= 1;
      this.block(nodeId, -1);
      this.wake();
    };
  }

  /** The node to run next. */
  async next(): Promise<string> {
    for (;;) {
      const ready = [...this.waiting.keys()].filter((id) => this.blockCount.get(id) === 0);
      if (ready.length > 0) return this.pick(ready);
      if (this.external === 0) throw new Error('Dependency cycle detected');
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  complete(nodeId: string): void {
    for (const waiter of this.waiting.get(nodeId) ?? []) this.block(waiter, -1);
    this.waiting.delete(nodeId);
  }

  /** What shows the user something soonest, as ComfyUI picks it. */
  private pick(ready: readonly string[]): string {
    const after = (id: string) => [...(this.waiting.get(id) ?? [])];
    const isOutput = (id: string) => nodeClass(this.prompt.node(id).class_type)?.isOutput ?? false;
    const isAsync = (id: string) => this.asyncFirst && (nodeClass(this.prompt.node(id).class_type)?.isAsync ?? false);
    const picked =
      ready.find(isOutput) ??
      ready.find(isAsync) ??
      ready.find((id) => after(id).some(isOutput)) ??
      ready.find((id) => after(id).flatMap(after).some(isOutput)) ??
      ready[0];
    if (picked === undefined) throw new Error('nothing is ready');
    return picked;
  }

  private isLazy(id: string, name: string): boolean {
    const node = nodeClass(this.prompt.node(id).class_type);
    return (node?.required[name] ?? node?.optional?.[name])?.[1]?.lazy ?? false;
  }

  private block(nodeId: string, by: number): void {
    this.blockCount.set(nodeId, (this.blockCount.get(nodeId) ?? 0) + by);
  }
}
