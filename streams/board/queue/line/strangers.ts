import { bounds } from '../../../bounds';
import type { QueueEntry } from '../../../job/job-event';
import type { Slot } from './line';

/** Other clients' workflows in servers' queues: each is read once while it waits, within the bounds (R16). */
export class Strangers {
  readonly #ofServer = new Map<string, ReadonlyMap<string, Slot>>();
  #nodes = 0;

  /** The slots of other clients' entries in a server's queue, by the ids of their runs. */
  seen(serverUrl: string, entries: readonly QueueEntry[]): ReadonlyMap<string, Slot> {
    const before = this.#ofServer.get(serverUrl) ?? new Map<string, Slot>();
    const slots = new Map<string, Slot>();
    let read = 0;
    for (const { runId } of entries) {
      const known = before.get(runId);
      if (known !== undefined) slots.set(runId, known);
    }
    for (const [id, { graph }] of before) if (!slots.has(id)) this.#nodes -= graph?.size ?? 0;
    for (const entry of entries) {
      const { runId, client, targets } = entry;
      const known = slots.get(runId);
      if (known?.graph !== undefined) continue;
      // A list of jobs leaves workflows out: 0 nodes tell nothing.
      const nodes = known?.nodes || entry.nodes();
      const isRoom = read + nodes <= bounds.strangersNodesAtOnce && this.#nodes + nodes <= bounds.strangersNodes;
      const graph = nodes > 0 && isRoom ? entry.graph() : undefined;
      read += graph?.size ?? 0;
      this.#nodes += graph?.size ?? 0;
      if (known !== undefined && graph === undefined) continue;
      slots.set(runId, {
        id: runId,
        nodes,
        ...(client !== undefined && { client }),
        ...(graph !== undefined && graph.size > 0 && { graph }),
        ...(graph !== undefined && targets !== undefined && { targets }),
      });
    }
    if (slots.size === 0) this.#ofServer.delete(serverUrl);
    else this.#ofServer.set(serverUrl, slots);
    return slots;
  }

  /** Call when no job of ours is on this server any more. */
  forget(serverUrl: string): void {
    this.seen(serverUrl, []);
  }
}
