import { finalize, type Observable } from 'rxjs';
import { isSettled, type JobState } from '../../gateway/client/index'; // in an application: 'comfyui-jobstream/client'
import type { Seen } from './verdict';

/** What a user sees of one job. */
export interface Viewer {
  readonly name: string;
  readonly seen: readonly Seen[];
  /** Resolves with its end; rejects where the client gives up. */
  readonly ended: Promise<void>;
  /** The share of steps that are done, 0 to 1; 1 from its end on. */
  done(): number;
}

const EVERY_PERCENT = 4;
const BAR = 20;

/** Watches a job and prints a line per few percent, and at each change of status. `scale`: seconds told for one that passes. */
export function viewerOf(name: string, states$: Observable<JobState>, scale: number): Viewer {
  const seen: Seen[] = [];
  let printed = '';
  const ended = new Promise<void>((resolve, reject) => {
    states$.pipe(finalize(resolve)).subscribe({
      next: (job) => {
        seen.push({ at: Date.now(), job });
        const mark = `${job.status} ${Math.floor(job.progress / EVERY_PERCENT)}`;
        if (mark !== printed) console.log(line(name, job, scale));
        printed = mark;
      },
      error: reject,
    });
  });
  return {
    name,
    seen,
    ended,
    done: () => {
      const job = seen.at(-1)?.job;
      if (job === undefined) return 0;
      // While it loads or saves, another node is at work: the steps are those that were seen last.
      const { value = 0, max = 1 } = seen.findLast(({ job: { node } }) => (node?.max ?? 0) > 1)?.job.node ?? {};
      return isSettled(job) ? 1 : value / max;
    },
  };
}

function line(name: string, job: JobState, scale: number): string {
  const { progress, startedAt, updatedAt, etaMs, node, stage, status, metrics } = job;
  const full = Math.round((progress / 100) * BAR);
  return [
    clock((updatedAt - startedAt) * scale),
    name.padEnd(8),
    '█'.repeat(full).padEnd(BAR, '░'),
    `${progress.toFixed(1).padStart(5)} %`,
    etaMs === undefined ? ' '.repeat(12) : `${clock(etaMs * scale)} left`,
    isSettled(job) ? status : (stage ?? node?.title ?? node?.type ?? status),
    ...(node !== undefined && node.max > 1 ? [`${node.value}/${node.max}`] : []),
    ...(metrics?.['loss'] === undefined ? [] : [`loss ${metrics['loss'].toFixed(3)}`]),
  ].join('  ');
}

/** `1:29:40` of ms. */
export function clock(ms: number): string {
  const s = Math.round(ms / 1000);
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}
