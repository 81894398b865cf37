import { setTimeout as sleep } from 'node:timers/promises';
import { Execution } from './execution/execution';
import type { Machine } from './execution/machine';
import type { Faults } from './faults';
import type { Files } from './http/files';
import { queueItem } from './execution/job';
import type { HistoryItem, Job } from './execution/job';
import { OutputCache } from './execution/output-cache';
import { Sockets } from './sockets/sockets';
import type { VersionTraits } from './versions';

/** What all processes of one server share. */
export interface Setting {
  readonly traits: VersionTraits;
  readonly faults: Faults;
  readonly files: Files;
  readonly timeScale: number;
  onExecution(job: Job): void;
}

/** What a process remembers about jobs. */
export interface Memory {
  number: number;
  readonly pending: Job[];
  readonly history: Map<string, HistoryItem>;
}

/** Runs whose history is kept. */
const MOST_HISTORY = 2_000;

export const emptyMemory = (): Memory => ({ number: 0, pending: [], history: new Map() });

/** One run of the server program, from its start to its end: sockets, queue, history and the worker. */
export class ServerProcess {
  readonly sockets: Sockets;
  running: Job | undefined;

  private readonly machine: Machine;
  private readonly life = new AbortController();
  private wake = () => {};

  constructor(
    readonly setting: Setting,
    readonly memory: Memory,
  ) {
    const { traits, faults, files, timeScale } = setting;
    this.sockets = new Sockets(traits, faults, () => ({ status: this.queueInfo() }));
    const { signal } = this.life;
    const cache = new OutputCache();
    this.machine = { traits, faults, files, timeScale, signal, cache, sockets: this.sockets, interrupted: false };
    this.work().catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }

  queueInfo() {
    return { exec_info: { queue_remaining: this.memory.pending.length + (this.running ? 1 : 0) } };
  }

  nextNumber(): number {
    return this.memory.number++;
  }

  put(job: Job): void {
    this.memory.pending.push(job);
    this.memory.pending.sort((a, b) => a.number - b.number);
    this.sockets.sendStatus();
    this.wake();
  }

  /** Takes a waiting job out of the queue; `quietly` without even a `status` frame. Whether there was one. */
  remove(promptId: string, quietly = false): boolean {
    const { pending } = this.memory;
    const at = pending.findIndex((job) => job.promptId === promptId);
    if (at < 0) return false;
    const wasOnly = pending.length === 1;
    pending.splice(at, 1);
    if (quietly) return true;
    // Removing the only one goes by way of wiping the queue, which tells everyone once more.
    if (wasOnly) this.sockets.sendStatus();
    this.sockets.sendStatus();
    return true;
  }

  wipe(): void {
    this.memory.pending.length = 0;
    this.sockets.sendStatus();
  }

  /** Stops that job if it is the one running, or whatever runs. Whether anything was. */
  interrupt(promptId?: string): boolean {
    if (promptId !== undefined && this.running?.promptId !== promptId) return false;
    this.machine.interrupted = true;
    this.setting.faults.wake();
    return this.running !== undefined;
  }

  /** Ends at once, whatever runs. */
  end(): void {
    this.life.abort();
    this.wake();
  }

  private async work(): Promise<void> {
    const { pending } = this.memory;
    while (!this.life.signal.aborted) {
      const job = pending.shift();
      if (!job) await new Promise<void>((resolve) => (this.wake = resolve));
      else await this.execute(job);
    }
  }

  private async execute(job: Job): Promise<void> {
    this.running = job;
    this.sockets.sendStatus();
    this.setting.onExecution(job);
    const outcome = await new Execution(this.machine, job).run();
    await sleep(this.setting.faults.historyDelayMs, undefined, { signal: this.life.signal });
    this.running = undefined;
    const { history } = this.memory;
    history.set(job.promptId, { prompt: queueItem(job), ...outcome });
    // As ComfyUI does, though it keeps 10,000.
    const oldest = history.keys().next();
    if (history.size > MOST_HISTORY && oldest.done !== true) history.delete(oldest.value);
    this.sockets.sendStatus();
    const { clientId } = this.sockets;
    if (clientId !== undefined) this.sockets.send('executing', { node: null, prompt_id: job.promptId }, clientId);
  }
}
