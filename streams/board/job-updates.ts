import type { JobEvent, SessionEvent } from '../job/job-event';
import { isAtServer, notWhole, type Job } from '../job/job';
import { lookedUpBy, owingLook } from '../job/advance/next-look';
import { pictureNode, pictureOf } from '../job/job-outputs';
import { runIdOf, type JobState } from '../job/job-state';
import type { RunClock } from '../job/progress/run-clock';
import { heardAgain, unheard } from '../job/progress/run-events';
import type { Timing } from '../job/timing';
import { addressedByJob, type Change } from './board-event';

/** The job with a new state by the board itself, with the next `seq`. */
export const restated = (job: Job, state: JobState, at: number): Job => ({
  ...job,
  state: { ...state, seq: state.seq + 1, updatedAt: Math.max(at, state.updatedAt) },
});

/** The job on a server that has been silent since then. */
export const silenced = (job: Job, since: number, at: number): Job =>
  restated(job, { ...job.state, via: 'polling', silentSince: since }, at);

/** The job without `silentSince`, if the event comes from the server. */
export const spoken = (job: Job, { tag, at }: JobEvent): Job => {
  if (job.state.silentSince === undefined || addressedByJob.has(tag)) return job;
  const { silentSince: _, ...state } = job.state;
  return restated(job, state, at);
};

/** The job after its socket opened; R6: one look tells what was missed before. */
export const linkedAt = (job: Job, at: number): Job =>
  owingLook({ ...withRun(job, (run) => heardAgain(run, at)), linked: true }, at);

/** The job after its socket was lost: frames will be missing, and polling takes over after `takeoverMs`. */
export const unlinkedAt = (job: Job, at: number, { takeoverMs }: Timing): Job =>
  lookedUpBy(notWhole({ ...withRun(job, (run) => unheard(run, at)), linked: false }), at + takeoverMs);

const withRun = (job: Job, change: (run: RunClock) => RunClock): Job =>
  isAtServer(job) && job.stage.run !== undefined
    ? { ...job, stage: { ...job.stage, run: change(job.stage.run) } }
    : job;

/**
 * The job's run, if it ended well by this event and was seen from its start to its end: then how long its nodes took is
 * known. A look finds an end that no frame told seconds later.
 */
export function measuredRun({ stage }: Job, { state }: Job, { tag }: JobEvent): RunClock | undefined {
  const isWhole = stage.tag === 'reporting' || (stage.tag === 'watched' && stage.whole && tag === 'succeeded');
  if (state.status !== 'completed' || !isWhole) return undefined;
  return stage.run?.isLate === true ? undefined : stage.run;
}

/** Last frames that come this much after the server sent them are late, ms. */
const LATE_MS = 50;

/**
 * When a run had its good end: earlier than its last frame came, if by the server's own clock it took so much less time.
 * If that is less than half, its clock was set instead.
 */
export function endOf({ startedAt, saidAt: began = NaN }: RunClock, event: JobEvent): number {
  const { saidAt: ended = NaN } = event.tag === 'succeeded' ? event : {};
  const [seenMs, saidMs] = [event.at - startedAt, ended - began];
  return saidMs + LATE_MS < seenMs && saidMs > seenMs / 2 ? startedAt + saidMs : event.at;
}

/**
 * The file and the event for a picture that is an output, as its node sends it over the socket only; `undefined` for a
 * preview.
 */
export function pictureIn(
  job: Job,
  nodeId: string,
  { mimeType, image, at }: SessionEvent & { tag: 'previewed' },
): { readonly file: Change; readonly event: JobEvent } | undefined {
  const own = pictureNode(job, nodeId, mimeType);
  const output = own === undefined ? undefined : pictureOf(job, own, mimeType, image.length);
  if (output === undefined) return undefined;
  const { promptId } = job.state;
  return {
    file: { tag: 'pictured', picture: { promptId, filename: output.filename, mimeType, bytes: image } },
    event: { tag: 'pictured', promptId: runIdOf(job.state), at, output, bytes: image.length },
  };
}
