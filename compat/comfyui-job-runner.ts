import {
  ReplaySubject,
  Subscription,
  asyncScheduler,
  concatMap,
  finalize,
  takeUntil,
  tap,
  throttleTime,
  type Observable,
} from 'rxjs';
import { NoAnswer, isSettled } from '../index';
import {
  createComfyUIJobPersistenceService,
  type ComfyUIJobPersistenceService,
  type JobState,
} from './comfyui-job-persistence.service';
import { ComfyUIPodClient } from './comfyui-pod-client';
import { idTaken } from './jobs/execution';
import { Kept } from './kept';
import { statusOf, type RunPodJobStatus } from './jobs/job-status';
import { withoutLogin } from './jobs/pod-rest';
import { parametersOf, type BaseImageInput, type BuiltPrompt, type WorkflowFactory } from './workflow-factory';

/** The ComfyUI, the store and the workflows that a runner works with. */
export interface ComfyUIJobRunnerConfig<Id extends string = string> {
  readonly comfyui: ComfyUIPodClient;
  readonly persistenceService?: ComfyUIJobPersistenceService | undefined;
  readonly workflows: WorkflowFactory<Id>;
}

interface PendingJob {
  readonly startedAt: number;
  readonly following: Subscription;
}

/** A job that is pending for longer may be cleaned up, ms. */
const STALE_MS = 600_000;
/** How long a state is kept after the job's end, for readers that come late, ms. */
const KEPT_MS = 60_000;
/** How long between two writes of a job's progress, ms. */
const WRITE_MS = 1_000;

/** Runs the application's workflows, follows each job, and stores its state; also takes up the last process's jobs. */
export class ComfyUIJobRunner<Id extends string = string> {
  private readonly comfyui: ComfyUIPodClient;
  private readonly persistence: ComfyUIJobPersistenceService | undefined;
  private readonly kept: Kept;
  private readonly workflows: WorkflowFactory<Id>;
  private readonly pending = new Map<string, PendingJob>();
  private availableNodes: string[] = [];
  /** Emits at the next `close`: jobs that began before it are then followed no more. */
  private closed$ = new ReplaySubject<void>(1);
  /** Resolves once the jobs of the last process are followed. */
  readonly recovered: Promise<void>;

  constructor(config: ComfyUIJobRunnerConfig<Id>);
  constructor(comfyui: ComfyUIPodClient, workflows: WorkflowFactory<Id>);
  constructor(given: ComfyUIJobRunnerConfig<Id> | ComfyUIPodClient, workflows?: WorkflowFactory<Id>) {
    const config = given instanceof ComfyUIPodClient ? { comfyui: given, workflows } : given;
    if (config.workflows === undefined) throw new TypeError('a runner needs the workflows to run');
    this.comfyui = config.comfyui;
    this.persistence = 'persistenceService' in config ? config.persistenceService : undefined;
    this.kept = new Kept(this.persistence);
    this.workflows = config.workflows;
    this.recovered = this.recover();
  }

  /** Learns which node types the server has, and with them which workflow suits it. */
  async initialize(): Promise<void> {
    this.availableNodes = await this.comfyui.getAvailableNodes();
  }

  /** Submits a base image. Resolves with its `promptId`. */
  submitBaseImages(input: { prompt: string; nsfw: boolean; seed?: number; useZImage?: boolean }): Promise<string> {
    const { prompt, nsfw, seed } = input;
    return this.submitBaseImageWithWorkflow({ prompt, nsfw, seed });
  }

  /**
   * Resolves with the job's id once ComfyUI took it; with `onProgress`, once the job ended or timed out, or the client
   * was closed: `getJobStatus` tells the outcome.
   */
  async submitBaseImageWithWorkflow(
    input: BaseImageInput<Id>,
    onProgress?: (progress: number) => void,
  ): Promise<string> {
    const id = input.workflowId ?? this.workflows.getRecommendedWorkflow(this.availableNodes);
    const workflow = this.workflows.buildWorkflow(id, parametersOf(input));
    const { closed$ } = this;
    const queued = (promptId: string): Promise<void> => this.keep(promptId, 'image_generation', closed$);
    if (onProgress !== undefined)
      return idTaken(queued, (onQueued) => this.comfyui.executeWorkflow(workflow, 2_000, onProgress, onQueued));
    const promptId = await this.comfyui.queueWorkflow(workflow);
    await queued(promptId);
    return promptId;
  }

  /** Submits the workflow that a built prompt recommends. Resolves with its `promptId`. */
  submitFromBuiltPrompt(
    built: BuiltPrompt,
    { seed, nsfw = false, workflowId }: { seed?: number; nsfw?: boolean; workflowId?: Id } = {},
  ): Promise<string> {
    const { prompt, negativePrompt, recommended } = built;
    const id = workflowId ?? (recommended.workflow === '' ? undefined : (recommended.workflow as Id));
    return this.submitBaseImageWithWorkflow({ prompt, negativePrompt, nsfw, seed, workflowId: id });
  }

  /** Submits a portrait of the prompt, as the application does today: `baseImageUrl` is not used. */
  submitFaceSwap(input: { baseImageUrl: string; prompt: string; nsfw: boolean; seed?: number }): Promise<string> {
    const prompt = `${input.prompt}, portrait, face close-up`;
    return this.submitBaseImageWithWorkflow({ prompt, nsfw: input.nsfw, seed: input.seed });
  }

  /** Submits a single portrait, as the application does today: only `nsfw` is used. */
  submitCharacterSheet({ nsfw }: { baseImageUrl: string; nsfw: boolean; angles?: string[] }): Promise<string> {
    const prompt = 'Character portrait, professional photography, high quality, detailed, studio lighting';
    return this.submitBaseImageWithWorkflow({ prompt, nsfw });
  }

  /** The status of a job. If the server does not answer, that says nothing of the job (R4): `IN_PROGRESS`. */
  async getJobStatus(jobId: string): Promise<RunPodJobStatus> {
    try {
      return statusOf(await this.comfyui.getJobStatus(jobId));
    } catch (error) {
      if (error instanceof NoAnswer) return { status: 'IN_PROGRESS' };
      return { status: 'FAILED', error: error instanceof Error ? error.message : 'Unknown error' };
    }
  }

  /** Whether ComfyUI answers. */
  healthCheck(): Promise<boolean> {
    return this.comfyui.healthCheck();
  }

  /** How many jobs of this runner have not ended. */
  getPendingJobCount(): number {
    return this.pending.size;
  }

  /** Forgets jobs that are pending for over 10 minutes. Returns how many there were. */
  cleanupStaleJobs(): number {
    const stale = [...this.pending].filter(([, { startedAt }]) => Date.now() - startedAt > STALE_MS);
    for (const [promptId, { following }] of stale) {
      following.unsubscribe();
      this.pending.delete(promptId);
      void this.kept.keep(promptId, (service) => service.deleteJobState(promptId));
    }
    return stale.length;
  }

  /** Stores a progress from 0 to 100, if there is a persistence service. */
  async updateJobProgress(promptId: string, progress: number): Promise<void> {
    await this.persistence?.updateJobState(promptId, { progress, status: 'processing' });
  }

  /** Stores that the job is completed, if there is a persistence service. */
  async markJobCompleted(promptId: string): Promise<void> {
    await this.persistence?.updateJobState(promptId, { status: 'completed', progress: 100 });
    this.forgetLater(promptId);
  }

  /** Stores that the job has failed, if there is a persistence service. */
  async markJobFailed(promptId: string, _error: string): Promise<void> {
    await this.persistence?.updateJobState(promptId, { status: 'failed' });
    this.forgetLater(promptId);
  }

  /**
   * Stops following jobs; they go on running, and the next runner recovers them. Resolves once Redis took what it was
   * given before, or after 5 s: its client may then be closed.
   */
  async close(): Promise<void> {
    this.closed$.next();
    this.closed$ = new ReplaySubject(1);
    await this.comfyui.close();
    await this.kept.settled();
  }

  private async keep(promptId: string, type: JobState['type'], closed$: Observable<void>): Promise<void> {
    const serverUrl = withoutLogin(this.comfyui.getBaseUrl());
    const startedAt = Date.now();
    const queued: JobState = { promptId, type, userId: '', status: 'queued', progress: 0, startedAt, serverUrl };
    // The job runs already: if Redis is down, the caller must not get an error and submit it again.
    await this.kept.keep(promptId, (service) => service.saveJobState(queued));
    this.followOn(queued, closed$);
  }

  private followOn({ promptId, startedAt }: JobState, closed$: Observable<void>): void {
    const following = new Subscription();
    this.pending.set(promptId, { startedAt, following });
    const followed = this.comfyui
      .follow(promptId)
      .pipe(
        throttleTime(WRITE_MS, asyncScheduler, { leading: true, trailing: true }),
        concatMap(async (state) => {
          const { status, progress } = state;
          await this.kept.keep(promptId, (service) => service.updateJobState(promptId, { status, progress }));
          return state;
        }),
        tap((state) => {
          if (isSettled(state)) this.forgetLater(promptId);
        }),
        takeUntil(closed$),
        finalize(() => this.pending.delete(promptId)),
      )
      .subscribe({
        error: (error: unknown) => void this.kept.keep(promptId, () => this.markJobFailed(promptId, String(error))),
      });
    following.add(followed);
  }

  private forgetLater(promptId: string): void {
    const { closed$ } = this;
    const forget = (): void => {
      // Closed meanwhile: its client of Redis may be closed too, and the state goes by its own time to live.
      if (closed$ === this.closed$) void this.kept.keep(promptId, (service) => service.deleteJobState(promptId));
    };
    if (this.persistence !== undefined) setTimeout(forget, KEPT_MS).unref();
  }

  private async recover(): Promise<void> {
    const { closed$ } = this;
    const serverUrl = withoutLogin(this.comfyui.getBaseUrl());
    await this.kept.keep('recovery', async (service) => {
      if (!(await service.isAvailable())) throw new Error('Redis does not answer');
      for (const state of await service.recoverActiveJobs())
        if (withoutLogin(state.serverUrl) === serverUrl) this.followOn(state, closed$);
    });
  }
}

/** A runner for the pod of `COMFYUI_POD_URL`, and for the Redis of `REDIS_URL` or `REDIS_HOST` if that answers. */
export async function createComfyUIJobRunner<Id extends string>(
  workflows: WorkflowFactory<Id>,
): Promise<ComfyUIJobRunner<Id>> {
  const baseUrl = process.env['COMFYUI_POD_URL'];
  if (!baseUrl) throw new Error('COMFYUI_POD_URL environment variable is required');
  const comfyui = new ComfyUIPodClient({ baseUrl });
  const persistenceService = createComfyUIJobPersistenceService();
  const isThere = await persistenceService.isAvailable();
  if (!isThere) {
    persistenceService.close();
    console.warn(
      'comfyui-jobstream: Redis does not answer: no job is kept, and none of the process before is taken up',
    );
  }
  return new ComfyUIJobRunner({ comfyui, workflows, ...(isThere && { persistenceService }) });
}
