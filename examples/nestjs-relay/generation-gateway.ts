import {
  EMPTY,
  catchError,
  defer,
  firstValueFrom,
  ignoreElements,
  mergeMap,
  tap,
  type Observable,
  type Subscription,
} from 'rxjs';
import type { Server, Socket } from 'socket.io';
import type { JobState, Pipeline } from '../../index'; // in an application: 'comfyui-jobstream'
import type { GeneratedImage, GenerationEvent } from './generation-events';

type PageSocket = Pick<Socket, 'join' | 'emit' | 'disconnect' | 'handshake'>;

/** What the application knows and a pipeline does not. */
export interface GenerationParts {
  readonly pipeline: Pipeline;
  /** Whose socket this is, or `undefined` for nobody's. To be proved by a token: a query can be made up. */
  readonly userOf: (handshake: PageSocket['handshake']) => Promise<string | undefined>;
  /** Where the page finds what a job made, kept by then. Called once a completed job. */
  readonly imagesOf: (job: JobState) => Promise<readonly GeneratedImage[]>;
  readonly report: (error: unknown) => void;
}

/** An end that is asked for again is kept for so many jobs. */
const KEPT_ENDS = 1_000;

/**
 * The application's own events, fed from `pipeline.states$`: to each user's room its jobs, so that its page works as it is.
 * The names are those that Nest calls; see README.md for the decorators.
 */
export class GenerationGateway {
  private telling: Subscription | undefined;
  private readonly ends = new Map<string, Promise<readonly GeneratedImage[]>>();

  constructor(private readonly parts: GenerationParts) {}

  /** Nest calls it with the server that the gateway is of. */
  afterInit(sockets: Server): void {
    const { pipeline, report } = this.parts;
    this.telling = pipeline.states$.pipe(mergeMap((job) => this.toRoom(job, sockets))).subscribe({ error: report });
  }

  async handleConnection(socket: PageSocket): Promise<void> {
    const userId = await this.parts.userOf(socket.handshake).catch(() => undefined);
    if (userId === undefined) {
      socket.disconnect(true);
      return;
    }
    await socket.join(roomOf(userId));
    socket.emit('connection:established', { userId });
  }

  /** `generation:subscribe`: tells where the jobs are now, so that a page that comes late or again misses nothing. */
  async handleGenerationSubscribe(socket: PageSocket, promptIds: unknown): Promise<void> {
    const userId = await this.parts.userOf(socket.handshake).catch(() => undefined);
    if (userId === undefined || !Array.isArray(promptIds)) return;
    for (const promptId of promptIds.slice(0, 100)) {
      if (typeof promptId !== 'string') continue;
      // Told at once: what is read and told a moment later might come after the end.
      const job = await firstValueFrom(this.parts.pipeline.watch(promptId)).catch(() => undefined);
      if (job?.userId === userId) socket.emit(...asSent(await this.eventOf(job)));
    }
  }

  /** `ping`. */
  handlePing(socket: PageSocket): void {
    socket.emit('pong');
  }

  onModuleDestroy(): void {
    this.telling?.unsubscribe();
  }

  /** One job's trouble is its own. */
  private toRoom(job: JobState, sockets: Server): Observable<never> {
    return defer(() => this.eventOf(job)).pipe(
      tap((event) => sockets.to(roomOf(job.userId)).emit(...asSent(event))),
      ignoreElements(),
      catchError((error: unknown) => {
        this.parts.report(error);
        return EMPTY;
      }),
    );
  }

  private async eventOf(job: JobState): Promise<GenerationEvent> {
    const { promptId, status, progress, queuePosition, node, characterId = '', metadata, failure } = job;
    const both = { jobId: jobIdOf(job), promptId };
    switch (status) {
      case 'queued':
      case 'processing': {
        const message = node?.title ?? node?.type;
        const told = {
          ...(message !== undefined && { message }),
          ...(queuePosition !== undefined && { queuePosition }),
        };
        return ['generation:progress', { ...both, status, progress: Math.floor(progress), ...told }];
      }
      case 'completed': {
        const images = await this.imagesOf(job);
        return ['generation:complete', { ...both, images, characterId, ...(metadata !== undefined && { metadata }) }];
      }
      case 'failed': {
        const { message = 'Generation failed', kind, retryable = false } = failure ?? {};
        return ['generation:error', { ...both, error: message, retryable, ...(kind && { errorCode: kind }) }];
      }
    }
  }

  private imagesOf(job: JobState): Promise<readonly GeneratedImage[]> {
    const images = this.ends.get(job.promptId) ?? this.parts.imagesOf(job);
    this.ends.set(job.promptId, images);
    images.catch(() => this.ends.delete(job.promptId));
    const [oldest] = this.ends.keys();
    if (this.ends.size > KEPT_ENDS && oldest !== undefined) this.ends.delete(oldest);
    return images;
  }
}

const asSent = ([name, payload]: GenerationEvent): [string, unknown] => [name, payload];

const roomOf = (userId: string): string => `user-${userId}`;

/** The application's row of the job, where it put its id into the metadata. */
const jobIdOf = ({ promptId, metadata }: JobState): string => {
  const id = metadata?.['jobId'];
  return typeof id === 'string' ? id : promptId;
};
