import type { ComfyUIJobResult } from './job-result';

/** What has become of a job, in the application's words. */
export interface RunPodJobStatus {
  status: 'IN_QUEUE' | 'IN_PROGRESS' | 'COMPLETED' | 'FAILED';
  output?: unknown;
  error?: string;
}

/** The client's result in these words. */
export function statusOf({ promptId, status, images, error }: ComfyUIJobResult): RunPodJobStatus {
  switch (status) {
    case 'queued':
      return { status: 'IN_QUEUE' };
    case 'processing':
      return { status: 'IN_PROGRESS' };
    case 'completed':
      return { status: 'COMPLETED', output: { images, prompt_id: promptId } };
    case 'failed':
      return { status: 'FAILED', ...(error !== undefined && { error }) };
  }
}
