/** The events that the application's page listens for, as it has them today. */
export interface GenerationProgress {
  readonly jobId: string;
  readonly promptId: string;
  readonly status: 'queued' | 'processing' | 'completed' | 'failed';
  /** 0–100. */
  readonly progress: number;
  readonly message?: string;
  readonly queuePosition?: number;
}

export interface GeneratedImage {
  readonly id: string;
  readonly url: string;
  readonly thumbnailUrl?: string;
}

export interface GenerationComplete {
  readonly jobId: string;
  readonly promptId: string;
  readonly images: readonly GeneratedImage[];
  readonly characterId: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export interface GenerationError {
  readonly jobId: string;
  readonly promptId: string;
  readonly error: string;
  readonly errorCode?: string;
  readonly retryable: boolean;
}

/** What a page is told of a job: the event's name and what comes with it. */
export type GenerationEvent =
  | readonly ['generation:progress', GenerationProgress]
  | readonly ['generation:complete', GenerationComplete]
  | readonly ['generation:error', GenerationError];
