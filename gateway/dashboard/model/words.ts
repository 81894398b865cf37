import type { PublicJob } from '../../wire/public-job';
import { explanationOf } from './explanation';
import { standingOf, type Standing } from './wanted';

const TYPES: ReadonlyMap<string, string> = new Map([
  ['image_generation', 'Image'],
  ['lora_training', 'LoRA training'],
  ['face_swap', 'Face swap'],
  ['character_sheet', 'Character sheet'],
]);
const STANDINGS: Readonly<Record<Standing, string>> = {
  waiting: 'Waiting',
  running: 'Running',
  completed: 'Completed',
  failed: 'Failed',
  cancelled: 'Cancelled',
};

/** Types that are offered before any job of them was seen. */
export const knownTypes: readonly string[] = [...TYPES.keys()];

/** A type in words: `face_swap` → `Face swap`. */
export const typeWords = (type: string): string =>
  TYPES.get(type) ?? type.replaceAll('_', ' ').replace(/^./, (first) => first.toUpperCase());

export const standingWords = (standing: Standing): string => STANDINGS[standing];

/** Whether ComfyUI refused some outputs of the workflow, and runs or ran the others. */
export const isPartial = ({ status, nodeErrors = [] }: Pick<PublicJob, 'status' | 'nodeErrors'>): boolean =>
  status !== 'failed' && nodeErrors.length > 0;

export const statusWords = (job: Pick<PublicJob, 'status' | 'failure' | 'nodeErrors'>): string =>
  STANDINGS[standingOf(job)] + (isPartial(job) ? ' in part' : '');

/** What a live job does now; empty if its status says it all. */
function doingWords({ phase, status, queuePosition, node, stage, reported }: PublicJob): string {
  if (status === 'queued') return queueWords(queuePosition);
  if (reported) return stage ?? '';
  if (phase === 'loading') return 'Starting';
  if (phase === 'finishing') return 'Fetching outputs';
  return phase === 'running' && node ? node.title || node.type : '';
}

/** The words beside the status: what the job does, how long it ran, or why it failed. */
export function detailWords(job: PublicJob): string {
  const { failure } = job;
  switch (standingOf(job)) {
    case 'completed':
      return timesWords(job);
    case 'cancelled':
      return wasWaiting(job) ? 'while waiting' : timesWords(job);
    case 'failed': {
      const { title } = explanationOf(job);
      return failure?.nodeType === undefined ? title : `${title} · ${failure.nodeType}`;
    }
    default:
      return doingWords(job);
  }
}

/** Whether an ended job never began to run, as its state shows. */
export const wasWaiting = ({ executionStartedAt, progress, node, outputs }: PublicJob): boolean =>
  executionStartedAt === undefined && progress === 0 && node === undefined && outputs === undefined;

/** How long a job waited before it ran; `undefined` for a second attempt, because the time includes earlier runs. */
export const waitedMsOf = ({ attempt, startedAt, executionStartedAt }: PublicJob): number | undefined =>
  attempt > 1 || executionStartedAt === undefined ? undefined : executionStartedAt - startedAt;

/** How long an ended job ran and how long it waited before: `ran 0.5 s · waited 19 s`. */
function timesWords(job: PublicJob): string {
  const { startedAt, executionStartedAt, finishedAt } = job;
  if (finishedAt === undefined) return '';
  if (executionStartedAt === undefined) return `${fineDuration(finishedAt - startedAt)} with its waiting`;
  const ran = `ran ${fineDuration(finishedAt - executionStartedAt)}`;
  const waitedMs = waitedMsOf(job) ?? 0;
  return waitedMs < WORTH_TELLING_MS ? ran : `${ran} · waited ${fineDuration(waitedMs)}`;
}

const WORTH_TELLING_MS = 100;

/** The step of the node at work: `12 / 20`. */
export const stepWords = ({ phase, node }: Pick<PublicJob, 'phase' | 'node'>): string =>
  phase === 'running' && node && node.max > 1 ? `${Math.min(Math.floor(node.value), node.max)} / ${node.max}` : '';

const queueWords = (position: number | undefined): string => {
  if (position === undefined) return '';
  return position === 0 ? 'next in line' : `${count(position, 'job')} ahead`;
};

/** The progress without decimals, which would flicker; rounded down, so that 100 % means completed. */
export const percent = (progress: number): string => `${Math.floor(progress)} %`;

export const count = (n: number, noun: string): string => `${n.toLocaleString('en')} ${noun}${n === 1 ? '' : 's'}`;

/** A duration in one or two units: `1 h 5 min`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return minutes < 10 && seconds % 60 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
}

/** A duration, below 10 s with tenths: `3.4 s`. */
export const fineDuration = (ms: number): string =>
  ms < 10_000 ? `${(Math.max(0, ms) / 1000).toFixed(1)} s` : duration(ms);

/** A past time relative to now: `3 min ago`. */
export const ago = (time: number, now: number): string =>
  now - time < 5000 ? 'just now' : `${duration(roughly(now - time))} ago`;

/**
 * The time left, `leftMs` being the estimate of the last state. `undefined` once that was exceeded by 5 s: "any moment"
 * must not stay for minutes.
 */
export const leftWords = (leftMs: number, job: Told, now: number): string | undefined =>
  untilWords(leftMs, job, now, 'any moment', (time) => `~ ${time} left`);

/** The time until a job starts, likewise. */
export const startWords = (startsMs: number, job: Told, now: number): string | undefined =>
  untilWords(startsMs, job, now, 'starts any moment', (time) => `starts in ~ ${time}`);

type Told = Pick<PublicJob, 'updatedAt'>;
const OVERDUE_MS = 5_000;

function untilWords(
  ms: number,
  { updatedAt }: Told,
  now: number,
  soon: string,
  words: (time: string) => string,
): string | undefined {
  const left = ms - Math.max(0, now - updatedAt);
  if (left < -OVERDUE_MS) return undefined;
  return left < 1000 ? soon : words(duration(upToMinutes(left)));
}

/** From one minute on in whole minutes: an estimate is not precise to the second. */
const upToMinutes = (ms: number): number => (ms < 60_000 ? ms : Math.ceil(ms / 60_000) * 60_000);

const roughly = (ms: number): number => (ms < 60_000 ? ms : Math.floor(ms / 60_000) * 60_000);

/** A time of day, with the date unless it is today. */
export function clockTime(ms: number, today = new Date()): string {
  const time = new Date(ms);
  return time.toDateString() === today.toDateString()
    ? time.toLocaleTimeString()
    : time.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}
