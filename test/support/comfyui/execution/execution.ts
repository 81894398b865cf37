import { setTimeout as sleep } from 'node:timers/promises';
import { DynamicPrompt } from './dynamic-prompt';
import { ExecutionList } from './execution-list';
import { executionError } from './execution-error';
import type { Job, Message, Outcome } from './job';
import type { Machine } from './machine';
import { isLink, type Link } from './graph';
import { Blocker, InterruptProcessing } from '../nodes/node-class';
import type { Inputs, NodeClass, NodeContext, NodeResult } from '../nodes/node-class';
import { nodeClass } from '../nodes/nodes';
import { signatures } from './output-cache';
import type { NodeOutput } from './output-cache';
import { ProgressFrames } from '../sockets/progress-frames';

/** One job's run, node by node, as ComfyUI's `PromptExecutor` does it. Rejects only when the process is killed. */
export class Execution {
  private readonly dynamicPrompt: DynamicPrompt;
  private readonly list: ExecutionList;
  private readonly frames: ProgressFrames;
  private readonly clientId: string | undefined;
  private readonly messages: Message[] = [];
  private readonly outputs = new Map<string, NodeOutput>();
  private readonly ui = new Map<string, Readonly<Record<string, unknown>>>();
  private readonly signatures: ReadonlyMap<string, string>;
  private readonly asyncResults = new Map<string, Promise<NodeResult>>();
  private readonly subgraphResults = new Map<string, readonly unknown[]>();
  private readonly executed = new Set<string>();
  private inputs: Inputs = {};

  constructor(
    private readonly machine: Machine,
    private readonly job: Job,
  ) {
    const { client_id } = job.extraData;
    this.clientId = typeof client_id === 'string' ? client_id : undefined;
    this.dynamicPrompt = new DynamicPrompt(job.prompt);
    this.signatures = signatures(job.prompt);
    this.list = new ExecutionList(this.dynamicPrompt, (id) => this.outputs.has(id), machine.traits.asyncNodes);
    this.frames = new ProgressFrames(machine, this.dynamicPrompt, job.promptId);
  }

  async run(): Promise<Outcome> {
    const { sockets } = this.machine;
    this.machine.interrupted = false;
    sockets.clientId = this.clientId;
    this.addMessage('execution_start', {});
    this.takeFromCache();
    this.addMessage('execution_cached', { nodes: [...this.outputs.keys()] });
    for (const id of this.job.outputs) this.list.add(id);
    const completed = await this.runNodes();
    if (completed) this.addMessage('execution_success', {});
    this.frames.close();
    sockets.lastNodeId = undefined;
    return this.outcome(completed);
  }

  private async runNodes(): Promise<boolean> {
    while (!this.list.isEmpty) {
      const nodeId = await this.list.next();
      try {
        if (await this.runNode(nodeId)) this.list.complete(nodeId);
      } catch (error) {
        this.machine.signal.throwIfAborted();
        this.addFailure(this.dynamicPrompt.realId(nodeId), error);
        return false;
      }
    }
    return true;
  }

  /** Whether the node is done; otherwise it comes again. */
  private async runNode(nodeId: string): Promise<boolean> {
    const cached = this.outputs.get(nodeId);
    if (cached) {
      this.sendExecuted(nodeId, cached.ui ?? null);
      this.frames.finish(nodeId);
      return true;
    }
    const expanded = this.subgraphResults.get(nodeId);
    if (expanded) return this.finish(nodeId, { result: expanded.map((value) => this.follow(value)) });
    const running = this.asyncResults.get(nodeId);
    if (running) return this.finish(nodeId, await running);
    return this.startNode(nodeId);
  }

  private async startNode(nodeId: string): Promise<boolean> {
    const { class_type } = this.dynamicPrompt.node(nodeId);
    const node = nodeClass(class_type);
    if (!node) throw new Error(`no node class ${class_type}`);
    this.frames.start(nodeId);
    const { inputs, missing } = this.inputsOf(nodeId, node);
    this.inputs = inputs;
    this.sendExecuting(nodeId);
    const needed = (node.checkLazy?.(inputs) ?? []).flatMap((name) => missing.get(name)?.[0] ?? []);
    for (const from of needed) this.list.require(from, nodeId);
    if (needed.length > 0) return false;
    this.throwIfInterrupted();
    const blocker = Object.values(inputs).find((value) => value instanceof Blocker);
    if (blocker !== undefined) return this.finish(nodeId, this.blocked(nodeId, node, blocker));
    const result = node.run(inputs, this.context(nodeId));
    if (!(node.isAsync && this.machine.traits.asyncNodes)) return this.finish(nodeId, await result);
    const unblock = this.list.blockOutside(nodeId);
    this.asyncResults.set(nodeId, Promise.resolve(result));
    void Promise.resolve(result).then(unblock, unblock);
    return false;
  }

  /** What reads from a blocked output does not run; an output node tells why, and the history does not. */
  private blocked(nodeId: string, node: NodeClass, blocker: Blocker): NodeResult {
    if (!(node.isOutput ?? false)) return { result: node.returns.map(() => blocker) };
    if (blocker.message !== undefined && this.clientId !== undefined) {
      const data = {
        prompt_id: this.job.promptId,
        node_id: nodeId,
        node_type: this.dynamicPrompt.node(nodeId).class_type,
        executed: [...this.executed],
        exception_message: `Execution Blocked: ${blocker.message}`,
        exception_type: 'ExecutionBlocked',
        traceback: [],
        current_inputs: [],
        current_outputs: [],
      };
      this.machine.sockets.send('execution_error', data, this.clientId);
    }
    return { result: [] };
  }

  private finish(nodeId: string, { result, ui, expand }: NodeResult): boolean {
    if (ui) {
      this.ui.set(nodeId, ui);
      this.sendExecuted(nodeId, ui);
    }
    if (expand) {
      for (const [id, node] of Object.entries(expand)) this.dynamicPrompt.add(id, node, nodeId);
      for (const link of result.filter(isLink)) this.list.require(link[0], nodeId);
      this.subgraphResults.set(nodeId, result);
      return false;
    }
    const output = { outputs: result, ui: ui ?? this.ui.get(nodeId) };
    const signature = this.signatures.get(nodeId);
    this.outputs.set(nodeId, output);
    if (signature !== undefined) this.machine.cache.set(signature, output);
    this.frames.finish(nodeId);
    this.executed.add(nodeId);
    return true;
  }

  private inputsOf(nodeId: string, node: NodeClass): { inputs: Inputs; missing: Map<string, Link> } {
    const inputs: Record<string, unknown> = {};
    const missing = new Map<string, Link>();
    for (const [name, value] of Object.entries(this.dynamicPrompt.node(nodeId).inputs)) {
      const options = (node.required[name] ?? node.optional?.[name])?.[1];
      if (!isLink(value) || options?.rawLink) inputs[name] = value;
      else if (this.isMissing(value, nodeId)) missing.set(name, value);
      else inputs[name] = this.follow(value);
    }
    return { inputs, missing };
  }

  private isMissing([from]: Link, to: string): boolean {
    return !this.outputs.has(from) || (this.machine.traits.lazyStartsOver && !this.list.isLinked(from, to));
  }

  private follow(value: unknown): unknown {
    return isLink(value) ? this.outputs.get(value[0])?.outputs[value[1]] : value;
  }

  private context(nodeId: string): NodeContext {
    const { faults, files, timeScale, signal } = this.machine;
    const started = Date.now();
    return {
      nodeId,
      prompt: this.dynamicPrompt,
      files,
      sleep: (seconds) => sleep(seconds * 1000 * timeScale, undefined, { signal }),
      mayTake: async (step) => {
        while (step > faults.mostSteps && !this.machine.interrupted) await faults.change(signal);
      },
      elapsed: () => (Date.now() - started) / 1000 / timeScale,
      progress: (value, max, preview, format) => {
        this.throwIfInterrupted();
        this.frames.progress(nodeId, value, max, preview, format);
      },
      text: (message) => this.frames.text(nodeId, message),
    };
  }

  private takeFromCache(): void {
    for (const [id, signature] of this.signatures) {
      const output = this.machine.cache.get(signature);
      if (!output) continue;
      this.outputs.set(id, output);
      if (output.ui) this.ui.set(id, output.ui);
    }
  }

  private throwIfInterrupted(): void {
    if (this.machine.interrupted) throw new InterruptProcessing();
  }

  private addFailure(nodeId: string, error: unknown): void {
    const at = {
      prompt_id: this.job.promptId,
      node_id: nodeId,
      node_type: this.job.prompt[nodeId]?.class_type,
      executed: [...this.executed],
    };
    if (error instanceof InterruptProcessing) this.addMessage('execution_interrupted', at, true);
    else {
      const details = executionError(error, this.inputs, this.machine.traits);
      this.addMessage('execution_error', { ...at, ...details, current_outputs: Object.keys(this.job.prompt) });
    }
  }

  private addMessage(event: string, fields: object, toEveryone = false): void {
    const data = { ...fields, prompt_id: this.job.promptId, timestamp: Date.now() };
    this.messages.push([event, data]);
    if (this.clientId !== undefined || toEveryone) this.machine.sockets.send(event, data, this.clientId);
  }

  private sendExecuting(nodeId: string): void {
    if (this.clientId === undefined) return;
    const display_node = this.dynamicPrompt.displayId(nodeId);
    this.machine.sockets.lastNodeId = display_node;
    const data = { node: nodeId, display_node, prompt_id: this.job.promptId };
    this.machine.sockets.send('executing', data, this.clientId);
  }

  private sendExecuted(nodeId: string, output: unknown): void {
    if (this.clientId === undefined) return;
    const display_node = this.dynamicPrompt.displayId(nodeId);
    const data = { node: nodeId, display_node, output, prompt_id: this.job.promptId };
    this.machine.sockets.send('executed', data, this.clientId);
  }

  private outcome(completed: boolean): Outcome {
    const shown = [...this.ui.keys()];
    const meta = (id: string) => ({
      node_id: id,
      display_node: this.dynamicPrompt.displayId(id),
      parent_node: this.dynamicPrompt.parentId(id),
      real_node_id: this.dynamicPrompt.realId(id),
    });
    return {
      outputs: Object.fromEntries(this.ui),
      status: { status_str: completed ? 'success' : 'error', completed, messages: this.messages },
      meta: Object.fromEntries(shown.map((id) => [id, meta(id)])),
    };
  }
}
