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

/** Types that are known without having been seen. */
export const knownTypes: readonly string[] = [...TYPES.keys()];

/** What kind of job it is: `face_swap` → `Face swap`. */
export const typeWords = (type: string): string =>
  TYPES.get(type) ?? type.replaceAll('_', ' ').replace(/^./, (first) => first.toUpperCase());

export const standingWords = (standing: Standing): string => STANDINGS[standing];

/** Whether ComfyUI refused some of its outputs and runs, or ran, the others. */
export const isPartial = ({ status, nodeErrors = [] }: Pick<PublicJob, 'status' | 'nodeErrors'>): boolean =>
  status !== 'failed' && nodeErrors.length > 0;

export const statusWords = (job: Pick<PublicJob, 'status' | 'failure' | 'nodeErrors'>): string =>
  STANDINGS[standingOf(job)] + (isPartial(job) ? ' in part' : '');

/** What a live job is doing beyond its status; empty where that says it all. */
function doingWords({ phase, status, queuePosition, node, stage, reported }: PublicJob): string {
  if (status === 'queued') return queueWords(queuePosition);
  if (reported) return stage ?? '';
  if (phase === 'loading') return 'Starting';
  if (phase === 'finishing') return 'Fetching outputs';
  return phase === 'running' && node ? node.title || node.type : '';
}

/** What there is to say beside the status: what it does, how long it ran, why it failed. */
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

/** Whether an ended job never began, as far as its state tells. */
export const wasWaiting = ({ executionStartedAt, progress, node, outputs }: PublicJob): boolean =>
  executionStartedAt === undefined && progress === 0 && node === undefined && outputs === undefined;

/** How long a job waited before it ran; unknown of one that ran before, whose earlier runs are in that time too. */
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

/** Which step of its node a job is at: `12 / 20`. */
export const stepWords = ({ phase, node }: Pick<PublicJob, 'phase' | 'node'>): string =>
  phase === 'running' && node && node.max > 1 ? `${Math.min(Math.floor(node.value), node.max)} / ${node.max}` : '';

const queueWords = (position: number | undefined): string => {
  if (position === undefined) return '';
  return position === 0 ? 'next in line' : `${count(position, 'job')} ahead`;
};

/** Without decimals: they would flicker. Under 100 until it is. */
export const percent = (progress: number): string => `${Math.floor(progress)} %`;

export const count = (n: number, noun: string): string => `${n.toLocaleString('en')} ${noun}${n === 1 ? '' : 's'}`;

/** A length of time, in the one or two units that matter: `1 h 5 min`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return minutes < 10 && seconds % 60 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
}

/** A length of time to the tenth where it is short: `3.4 s`. */
export const fineDuration = (ms: number): string =>
  ms < 10_000 ? `${(Math.max(0, ms) / 1000).toFixed(1)} s` : duration(ms);

/** When, seen from now: `3 min ago`. */
export const ago = (time: number, now: number): string =>
  now - time < 5000 ? 'just now' : `${duration(roughly(now - time))} ago`;

/**
 * How long a job still takes, of what was thought of it at its last state; `undefined` once that has proved wrong: no
 * job is done at any moment for minutes.
 */
export function leftWords(
  leftMs: number,
  { updatedAt }: Pick<PublicJob, 'updatedAt'>,
  now: number,
): string | undefined {
  const left = leftMs - Math.max(0, now - updatedAt);
  if (left < -OVERDUE_MS) return undefined;
  return left < 1000 ? 'any moment' : `~ ${duration(upToMinutes(left))} left`;
}

/** How long a job still waits, likewise. */
export function startWords(
  startsMs: number,
  { updatedAt }: Pick<PublicJob, 'updatedAt'>,
  now: number,
): string | undefined {
  const left = startsMs - Math.max(0, now - updatedAt);
  if (left < -OVERDUE_MS) return undefined;
  return left < 1000 ? 'starts any moment' : `starts in ~ ${duration(upToMinutes(left))}`;
}

const OVERDUE_MS = 5_000;

/** Seconds of minutes would pretend to a precision that guesses lack. */
const upToMinutes = (ms: number): number => (ms < 60_000 ? ms : Math.ceil(ms / 60_000) * 60_000);

const roughly = (ms: number): number => (ms < 60_000 ? ms : Math.floor(ms / 60_000) * 60_000);

/** A time of day, with its day where that is another than today's. */
export function clockTime(ms: number, today = new Date()): string {
  const time = new Date(ms);
  return time.toDateString() === today.toDateString()
    ? time.toLocaleTimeString()
    : time.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}
