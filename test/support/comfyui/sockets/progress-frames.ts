import type { DynamicPrompt } from '../execution/dynamic-prompt';
import type { Machine } from '../execution/machine';
import { previewFrame, previewWithMetadataFrame, textFrame } from './previews';
import { nodePlace, ProgressRegistry } from '../execution/progress';
import { Float } from '../http/python-json';

/** A job's `progress_state`, `progress`, preview and text frames, in each version's order and pace. */
export class ProgressFrames {
  private readonly registry: ProgressRegistry;
  private readonly sentAt = new Map<string, number>();
  private closed = false;

  constructor(
    private readonly machine: Machine,
    private readonly prompt: DynamicPrompt,
    private readonly promptId: string,
  ) {
    this.registry = new ProgressRegistry(prompt, promptId, (data) => {
      if (machine.traits.progressState) machine.sockets.send('progress_state', data, machine.sockets.clientId);
    });
  }

  /** Sends nothing any more: a node may still run when its job has ended. */
  close(): void {
    this.closed = true;
  }

  start(nodeId: string): void {
    this.registry.start(nodeId);
  }

  finish(nodeId: string): void {
    this.registry.finish(nodeId);
  }

  progress(
    nodeId: string,
    value: number | Float,
    max: number | Float,
    preview?: Buffer,
    format: 'JPEG' | 'PNG' = 'JPEG',
  ): void {
    const { sockets, traits } = this.machine;
    if (this.closed || this.isTooSoon(nodeId, value, max, preview)) return;
    const withMetadata = traits.progressState && sockets.wantsMetadata(sockets.clientId);
    this.registry.update(nodeId, value, max);
    if (preview && withMetadata) {
      const metadata = nodePlace(this.prompt, nodeId, this.promptId);
      sockets.sendRaw(previewWithMetadataFrame(preview, metadata, format), sockets.clientId);
    }
    // Before progress_state there was no telling which node reports, only which one runs.
    const node = traits.progressState ? nodeId : (sockets.lastNodeId ?? null);
    sockets.send('progress', { value, max, prompt_id: this.promptId, node }, sockets.clientId);
    if (preview && !withMetadata) sockets.sendRaw(previewFrame(preview, format), sockets.clientId);
  }

  text(nodeId: string, message: string): void {
    const { sockets, traits } = this.machine;
    if (!this.closed && traits.progressState) sockets.sendRaw(textFrame(nodeId, message), sockets.clientId);
  }

  private isTooSoon(nodeId: string, value: number | Float, max: number | Float, preview?: Buffer): boolean {
    const now = performance.now();
    const last = this.sentAt.get(nodeId);
    // A timer may be early by a fraction of a millisecond, and the recorded servers let two 50 ms steps pass.
    const due = last === undefined || now - last >= this.machine.traits.progressEveryMs - 5;
    if (!due && !preview && amount(value) < amount(max)) return true;
    this.sentAt.set(nodeId, now);
    return false;
  }
}

const amount = (value: number | Float) => (value instanceof Float ? value.value : value);
