import { ReplaySubject, defer, finalize, lastValueFrom, takeUntil, type Observable } from 'rxjs';
import { UnknownJob, isSettled, type JobState } from '../index';
import { ComfyUIErrorHandlerService } from './comfyui-error-handler.service';
import type { ComfyUIWebSocketClient } from './comfyui-websocket-client';
import { executed, leftAlone, unlessClosed } from './jobs/execution';
import { Failures } from './jobs/failures';
import { anonymous, following, tracked } from './jobs/following';
import { hold, type Held } from './jobs/held-pipeline';
import { comfyUIIdOf, failureText, resultOf, type ComfyUIJobResult } from './jobs/job-result';
import { modelsOf, podOf, withoutSlash, type Models, type Pod } from './jobs/pod-rest';
import { notNegative } from './jobs/waiting-time';

/** Which ComfyUI, and how it is asked. */
export interface ComfyUIPodConfig {
  /** May hold credentials. */
  readonly baseUrl: string;
  /** How long `executeWorkflow` waits, in ms; 120,000 by default. */
  readonly timeout?: number | undefined;
  /** If given, `executeWorkflow` reports progress. */
  readonly websocketClient?: ComfyUIWebSocketClient | undefined;
  /** Tries again where `getJobStatus`, or the download of images, gets no answer. */
  readonly errorHandler?: ComfyUIErrorHandlerService | undefined;
}

/** A workflow in ComfyUI's API format. */
export type ComfyUIWorkflow = object;

/** Attempts to fetch the images of a finished job while the server does not answer. */
const DOWNLOADS = 5;

/** One ComfyUI: workflows in, images out. Each workflow is posted once, whatever becomes of the network. */
export class ComfyUIPodClient {
  private readonly baseUrl: string;
  private readonly timeout: number;
  private readonly hasWebSocket: boolean;
  private readonly errorHandler: ComfyUIErrorHandlerService | undefined;
  private readonly pod: Pod;
  /** The unended jobs that were queued or asked for here: they are followed, so that asking again costs no request. */
  private readonly followed = new Map<string, Held>();
  /** The pipelines of callers that wait for a job's end. */
  private readonly awaited = new Set<Held>();
  /** Emits at the next `close`: calls that began before it end then. */
  private closed$ = new ReplaySubject<void>(1);
  private readonly failed = new Failures();

  constructor(config: ComfyUIPodConfig) {
    this.baseUrl = withoutSlash(config.baseUrl);
    this.timeout = notNegative('timeout', config.timeout ?? 120_000);
    this.hasWebSocket = config.websocketClient !== undefined;
    this.errorHandler = config.errorHandler;
    this.pod = podOf(this.baseUrl);
  }

  /** The URL of ComfyUI, without a trailing slash. */
  getBaseUrl(): string {
    return this.baseUrl;
  }

  /**
   * Posts a workflow, resolves with ComfyUI's id of it, and follows it to its end, or until `close`. Rejects if ComfyUI
   * refuses it, or a part of it: then the rest is cancelled.
   */
  async queueWorkflow(workflow: ComfyUIWorkflow): Promise<string> {
    const { closed$ } = this;
    const held = hold(this.baseUrl);
    try {
      const state = await this.submit(held, workflow);
      this.watchOver(state, closed$);
      return comfyUIIdOf(state);
    } finally {
      await held.release();
    }
  }

  /**
   * What has become of a job, whoever posted it; `queued` if the server does not know it. Rejects if the server does
   * not answer: that says nothing of the job (R4).
   */
  getJobStatus(promptId: string): Promise<ComfyUIJobResult> {
    const look = (): Promise<ComfyUIJobResult> => this.look(promptId);
    return this.errorHandler === undefined ? look() : this.errorHandler.executeWithRetry(look, this.baseUrl);
  }

  /**
   * Runs a workflow to its end. If that takes longer than `timeout`, or the client is closed, resolves as `failed` and
   * leaves the job running: `getJobStatus` tells its end. `_pollIntervalMs` does nothing, and is kept for earlier
   * callers. `onQueued` is called with the job's id once ComfyUI took it, and awaited.
   */
  executeWorkflow(
    workflow: ComfyUIWorkflow,
    _pollIntervalMs = 2_000,
    onProgress?: (progress: number) => void,
    onQueued?: (promptId: string) => Promise<void>,
  ): Promise<ComfyUIJobResult> {
    if (this.hasWebSocket && onProgress !== undefined)
      return this.executeWorkflowWithWebSocket(workflow, onProgress, onQueued);
    return this.execute(workflow, this.timeout, () => undefined, onQueued);
  }

  /** The same, reporting progress (0–100) as it grows. Waits for twice `timeout`: for the socket, and for polling. */
  executeWorkflowWithWebSocket(
    workflow: ComfyUIWorkflow,
    onProgress: (progress: number) => void = () => undefined,
    onQueued?: (promptId: string) => Promise<void>,
  ): Promise<ComfyUIJobResult> {
    const tell = this.hasWebSocket ? onProgress : () => undefined;
    return this.execute(workflow, this.hasWebSocket ? 2 * this.timeout : this.timeout, tell, onQueued);
  }

  /**
   * A job's states from now to its end, whoever posted it, or until the client is closed. Waits while the server does
   * not answer. Errors with `UnknownJob`.
   */
  follow(promptId: string): Observable<JobState> {
    return defer(() => {
      const held = hold(this.baseUrl);
      this.awaited.add(held);
      return following(held, promptId).pipe(
        takeUntil(this.closed$),
        finalize(() => void this.released(held)),
      );
    });
  }

  /** Whether a ComfyUI answers, within 5 s. */
  async healthCheck(): Promise<boolean> {
    const stats = await this.pod.get('/system_stats', 5_000).catch(() => undefined);
    return typeof stats === 'object' && stats !== null;
  }

  /** The node types that ComfyUI has; none if it does not answer. */
  async getAvailableNodes(): Promise<string[]> {
    const types = await this.pod.get('/object_info', 10_000).catch((error: unknown) => {
      console.warn(`[ComfyUI] no node types from ${this.pod.url}: ${String(error)}`);
      return {};
    });
    return Object.keys(types as object);
  }

  /** Stores an image in ComfyUI's input folder. Resolves with its name there, as `LoadImage` takes it. */
  async uploadImage(imageBuffer: Buffer, filename: string): Promise<string> {
    const held = hold(this.baseUrl);
    try {
      // eslint-disable-next-line @typescript-eslint/require-await
      const content = (async function* () {
        yield imageBuffer;
      })();
      return (await held.pipeline.upload({ filename, content })).name;
    } finally {
      await held.release();
    }
  }

  /** The model files that ComfyUI's loaders know. Rejects if it does not answer. */
  getModels(): Promise<Models> {
    return modelsOf(this.pod);
  }

  /** Stops following jobs; they go on running. */
  async close(): Promise<void> {
    const all = [...this.awaited, ...this.followed.values()];
    this.closed$.next();
    this.closed$ = new ReplaySubject(1);
    this.followed.clear();
    await Promise.all(all.map((held) => held.release()));
  }

  private watchOver({ promptId, status }: JobState, closed$: Observable<void>): void {
    if (isSettled({ status }) || this.followed.has(promptId)) return;
    const held = hold(this.baseUrl);
    this.followed.set(promptId, held);
    void lastValueFrom(held.pipeline.watch(promptId).pipe(takeUntil(closed$)))
      .then((last) => this.failed.add(last))
      .catch(() => undefined)
      .then(() => this.letGo(promptId, held));
  }

  private async letGo(promptId: string, held: Held): Promise<void> {
    if (this.followed.get(promptId) === held) this.followed.delete(promptId);
    await held.release();
  }

  private async released(held: Held): Promise<void> {
    await held.release();
    this.awaited.delete(held);
  }

  /** Resolves with the job once ComfyUI took it, or after 10 s without an answer: then it is posted later. */
  private async submit({ pipeline }: Held, workflow: ComfyUIWorkflow): Promise<JobState> {
    const state = await pipeline.submit({ ...anonymous, workflow: JSON.stringify(workflow) });
    if (state.failure?.kind === 'rejected') throw new Error(failureText(state));
    if (state.status === 'failed' || state.nodeErrors === undefined) return state;
    await pipeline.cancel(state.promptId);
    throw new Error(`ComfyUI node errors: ${JSON.stringify(state.nodeErrors)}`);
  }

  private async look(promptId: string): Promise<ComfyUIJobResult> {
    const failed = this.failed.get(promptId);
    if (failed !== undefined) return { ...failed };
    const { closed$ } = this;
    const held = hold(this.baseUrl);
    try {
      const state = await tracked(held.pipeline, promptId);
      this.watchOver(state, closed$);
      return await resultOf(held.pipeline, state, promptId);
    } catch (error) {
      if (error instanceof UnknownJob) return { promptId, status: 'queued' };
      throw error;
    } finally {
      await held.release();
    }
  }

  private async execute(
    workflow: ComfyUIWorkflow,
    limitMs: number,
    onProgress: (progress: number) => void,
    onQueued?: (promptId: string) => Promise<void>,
  ): Promise<ComfyUIJobResult> {
    const waiting = { limitMs, onProgress, closed$: this.closed$ };
    const held = hold(this.baseUrl);
    const { pipeline } = held;
    try {
      // `close` does not abort a post: nobody could tell whether the workflow runs.
      const submitted = await this.submit(held, workflow);
      this.awaited.add(held);
      await onQueued?.(comfyUIIdOf(submitted));
      const { state, left } = await executed(pipeline, submitted, waiting);
      if (left !== undefined) return leftAlone(state, left);
      this.failed.add(state);
      const result = this.downloading(() => resultOf(pipeline, state, comfyUIIdOf(state)));
      return await unlessClosed(state, result, waiting);
    } finally {
      await this.released(held);
    }
  }

  /** Tries again while the server does not answer: the job is done, and its images are there. */
  private downloading(download: () => Promise<ComfyUIJobResult>): Promise<ComfyUIJobResult> {
    const patient = this.errorHandler ?? new ComfyUIErrorHandlerService({ maxRetries: DOWNLOADS });
    return patient.executeWithRetry(download, this.baseUrl);
  }
}

/** A client for the pod of `COMFYUI_POD_URL`. Throws if that is not set. */
export function createComfyUIPodClient(): ComfyUIPodClient {
  const baseUrl = process.env['COMFYUI_POD_URL'];
  if (!baseUrl) throw new Error('COMFYUI_POD_URL environment variable is required');
  return new ComfyUIPodClient({ baseUrl });
}
