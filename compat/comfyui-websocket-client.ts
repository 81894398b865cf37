import { filter, firstValueFrom, interval, map, merge, type Subscription } from 'rxjs';
import { isSettled, type JobState } from '../index';
import { following } from './jobs/following';
import { guarded } from './jobs/guarded';
import { holdNamed, type Held } from './jobs/held-pipeline';
import { briefly, failureText, resultOf, type ComfyUIJobResult } from './jobs/job-result';
import { realClock } from './jobs/real-clock';
import { after, notNegative } from './jobs/waiting-time';

/** How a connection is opened. */
export interface ComfyUIWebSocketConfig {
  /** Does nothing, and is kept for earlier callers: `connect` names the server. */
  readonly serverUrl?: string | undefined;
  /** How long `connect` waits, in ms; 10,000 by default. */
  readonly connectionTimeout?: number | undefined;
  /** Does nothing, and is kept for earlier callers: a lost socket is opened again while the connection is wanted. */
  readonly maxReconnectAttempts?: number | undefined;
  /** Does nothing, likewise. */
  readonly reconnectDelay?: number | undefined;
}

interface Connection extends Held {
  readonly serverUrl: string;
  /** The jobs that are followed in it, by id. */
  readonly jobs: Map<string, Subscription>;
}

interface Handlers {
  progress?: (progress: number) => void;
  completion?: (result: ComfyUIJobResult) => void;
  error?: (error: string) => void;
  /** The last progress that was reported. */
  told: number;
}

/** How often it is checked whether the socket is open, ms; costs no request. */
const OPEN_TICK_MS = 10;

/** Reports progress and ends of jobs by ComfyUI's WebSocket, and by its REST API what the socket missed. */
export class ComfyUIWebSocketClient {
  private readonly connections = new Set<Connection>();
  private readonly handlers = new Map<string, Handlers>();
  private readonly connectionTimeout: number;

  constructor(config: ComfyUIWebSocketConfig = {}) {
    this.connectionTimeout = notNegative('connectionTimeout', config.connectionTimeout ?? 10_000);
  }

  /**
   * Opens a socket and resolves with its client id: jobs that are posted with this `client_id` are heard. Rejects with
   * `WebSocket connection timeout`. A socket that is open to that server under that id is used again.
   */
  async connect(serverUrl: string, wanted?: string): Promise<string> {
    const url = serverUrl.replace(/\/+$/, '');
    if (wanted !== undefined && this.isConnected(url, wanted)) return wanted;
    const held = holdNamed(url, wanted);
    const { clientId } = held;
    if (!(await this.opens(held)) || this.isConnected(url, clientId)) {
      void held.release();
      if (!this.isConnected(url, clientId)) throw new Error('WebSocket connection timeout');
      return clientId;
    }
    const connection: Connection = { ...held, serverUrl: url, jobs: new Map() };
    this.connections.add(connection);
    for (const promptId of this.handlers.keys()) this.follow(connection, promptId);
    return clientId;
  }

  private isConnected(serverUrl: string, clientId: string): boolean {
    return [...this.connections].some((each) => each.serverUrl === serverUrl && each.clientId === clientId);
  }

  /** Whether the socket is open within `connectionTimeout`. */
  private opens({ pipeline }: Held): Promise<boolean> {
    const opened$ = interval(OPEN_TICK_MS, realClock).pipe(
      map(() => pipeline.servers()[0]?.via === 'websocket'),
      filter((isOpen) => isOpen),
    );
    return firstValueFrom(merge(opened$, after(this.connectionTimeout).pipe(map(() => false))));
  }

  /** Calls the handler with a job's progress, 0–100, as it grows. */
  onProgress(promptId: string, handler: (progress: number) => void): void {
    this.expect(promptId).progress = handler;
  }

  /** Calls the handler once when a job completed, with all its images. */
  onCompletion(promptId: string, handler: (result: ComfyUIJobResult) => void): void {
    this.expect(promptId).completion = handler;
  }

  /** Calls the handler once when a job failed or was cancelled, with the reason. */
  onError(promptId: string, handler: (error: string) => void): void {
    this.expect(promptId).error = handler;
  }

  /** Closes all connections under a client id, to whichever servers; does nothing if there is none. */
  disconnect(clientId: string): void {
    for (const connection of this.connections) {
      if (connection.clientId !== clientId) continue;
      this.connections.delete(connection);
      for (const followed of connection.jobs.values()) followed.unsubscribe();
      void connection.release();
    }
  }

  private expect(promptId: string): Handlers {
    const handlers: Handlers = this.handlers.get(promptId) ?? { told: -1 };
    this.handlers.set(promptId, handlers);
    for (const connection of this.connections) this.follow(connection, promptId);
    return handlers;
  }

  /** Follows a job in one connection. All connections do so: it may not be posted yet, and then no server knows it. */
  private follow(connection: Connection, promptId: string): void {
    if (connection.jobs.has(promptId)) return;
    const followed = following(connection, promptId, { patient: true }).subscribe({
      next: (state) => this.tell(connection, promptId, state),
      error: () => connection.jobs.delete(promptId),
    });
    connection.jobs.set(promptId, followed);
  }

  private tell(connection: Connection, promptId: string, state: JobState): void {
    const handlers = this.handlers.get(promptId);
    if (handlers === undefined) return;
    const progress = Math.floor(state.progress);
    if (state.status !== 'failed' && progress > handlers.told) {
      handlers.told = progress;
      guarded(() => handlers.progress?.(progress));
    }
    if (isSettled(state)) void this.end(connection, promptId, state, handlers);
  }

  private async end(connection: Connection, promptId: string, state: JobState, handlers: Handlers): Promise<void> {
    this.handlers.delete(promptId);
    for (const { jobs } of this.connections) {
      jobs.get(promptId)?.unsubscribe();
      jobs.delete(promptId);
    }
    if (state.status === 'failed') guarded(() => handlers.error?.(failureText(state)));
    if (state.status === 'failed' || handlers.completion === undefined) return;
    // The pipeline answers for an end only after it has told all who watch.
    await Promise.resolve();
    // If the images cannot be had, the end is reported without them.
    const { images } = await resultOf(connection.pipeline, state, promptId).catch(() => briefly(state, promptId));
    guarded(() => handlers.completion?.({ promptId, status: 'completed', ...(images !== undefined && { images }) }));
  }
}
