import type { Prompt } from './graph';

/** One posted workflow, as the queue holds it. */
export interface Job {
  readonly number: number;
  readonly promptId: string;
  readonly prompt: Prompt;
  readonly extraData: Readonly<Record<string, unknown>>;
  readonly outputs: readonly string[];
}

/** A job in the form of `GET /queue` and `/history`. */
export function queueItem({ number, promptId, prompt, extraData, outputs }: Job): unknown[] {
  return [number, promptId, prompt, extraData, outputs];
}

/** One of a job's `execution_*` events, kept for the history. */
export type Message = readonly [event: string, data: Readonly<Record<string, unknown>>];

/** What became of a job. */
export interface Outcome {
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly meta: Readonly<Record<string, unknown>>;
  readonly status: {
    readonly status_str: 'success' | 'error';
    readonly completed: boolean;
    readonly messages: Message[];
  };
}

/** A finished job in the history. */
export interface HistoryItem extends Outcome {
  readonly prompt: readonly unknown[];
}
