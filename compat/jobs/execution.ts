import { firstValueFrom, from, lastValueFrom, map, merge, scan, takeWhile, tap, type Observable } from 'rxjs';
import { isSettled, type JobState, type Pipeline } from '../../index';
import { guarded } from './guarded';
import { comfyUIIdOf, type ComfyUIJobResult } from './job-result';
import { after } from './waiting-time';

/** A job as it was last seen. */
export interface Execution {
  readonly state: JobState;
  /** Why nobody waits for it any more, if it has not ended. */
  readonly left?: string;
}

/** How a job is waited for. */
export interface Waiting {
  readonly limitMs: number;
  /** Emits when the client is closed. */
  readonly closed$: Observable<void>;
  readonly onProgress: (progress: number) => void;
}

/**
 * Resolves at the job's end, after `limitMs`, or when `closed$` emits. Reports progress in whole numbers, as it grows.
 */
export function executed(
  pipeline: Pipeline,
  submitted: JobState,
  { limitMs, closed$, onProgress }: Waiting,
): Promise<Execution> {
  const left$ = merge(closed$.pipe(map(() => CLOSED)), after(limitMs).pipe(map(() => `Timeout after ${limitMs}ms`)));
  const state$ = pipeline.watch(submitted.promptId).pipe(tap(telling(onProgress)));
  const execution$ = merge(left$.pipe(map((left) => ({ left }))), state$.pipe(map((state) => ({ state })))).pipe(
    scan((before: Execution, each: Partial<Execution>): Execution => ({ ...before, ...each }), { state: submitted }),
    takeWhile(({ state, left }) => left === undefined && !isSettled(state), true),
  );
  return lastValueFrom(execution$);
}

/** The result for a caller that waits no more: `failed`, though the job runs on. */
export const leftAlone = (state: JobState, error: string): ComfyUIJobResult => ({
  promptId: comfyUIIdOf(state),
  status: 'failed',
  error,
});

/** A job's result; that of `leftAlone` if `closed$` emits before it is there. */
export function unlessClosed(
  state: JobState,
  result: Promise<ComfyUIJobResult>,
  { closed$ }: Waiting,
): Promise<ComfyUIJobResult> {
  return firstValueFrom(merge(from(result), closed$.pipe(map(() => leftAlone(state, CLOSED)))));
}

type Queued = (promptId: string) => Promise<void>;

/**
 * Executes a workflow to its end and resolves with its id, even if the images could not be had: a caller that gets an
 * error would run it again. Rejects if ComfyUI did not take the workflow.
 */
export async function idTaken(
  queued: Queued,
  execute: (onQueued: Queued) => Promise<ComfyUIJobResult>,
): Promise<string> {
  let taken: string | undefined;
  try {
    return (await execute((promptId) => queued((taken = promptId)))).promptId;
  } catch (error) {
    if (taken === undefined) throw error;
    return taken;
  }
}

const CLOSED = 'The client was closed';

function telling(onProgress: (progress: number) => void): (state: JobState) => void {
  let told = -1;
  return (state) => {
    const progress = Math.floor(state.progress);
    if (state.status === 'failed' || progress <= told) return;
    told = progress;
    guarded(() => onProgress(progress));
  };
}
