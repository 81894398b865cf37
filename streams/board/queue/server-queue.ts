import { isAtServer, isCancelAsked, isThere, type AtServer, type Job } from '../../job/job';
import type { QueueEvent } from '../../job/job-event';
import type { Timing } from '../../job/timing';
import { restated } from '../job-updates';
import { RunEnds } from './run-ends';

/**
 * Between two counts of a queue are twice `soonMs`, and this much for each of our jobs in it: an answer holds them all.
 */
const PER_JOB_MS = 5;
/** Looks for other clients' moves, made for that alone or along with others, are twice `auditMs` apart at least (R8). */
const AUDITS_PER_LOOK = 2;

/**
 * One server's queue, by its `status` frames and the news of our jobs. While other clients' jobs stay as many, our
 * jobs' places follow from our own jobs and the runs that end; when their number changes otherwise, a look is due, as one
 * may have gone in front or was removed.
 */
export class ServerQueue {
  #remaining: number | undefined;
  /** How many runs of other clients there were at the last count; before the first, by the first `status`. */
  #strangers: number | undefined;
  #isCounted = false;
  /** One of our jobs came or went out of turn: the places of the others are not known any more. */
  #isMixedUp = false;
  #countAt = Number.POSITIVE_INFINITY;
  #notBefore = 0;
  #wantsLook = false;
  #isTooShort = false;
  /** The look must not wait until `#lookNotBefore`: a place that we show is known to be wrong. */
  #isUrgent = false;
  /** Before then no look is made for other clients' moves alone. */
  #lookNotBefore = 0;
  /** How many runs have ended in all; and how many had when a waiting job of ours got its place. */
  #ended = 0;
  #endedAtPlace = new Map<string, number>();
  readonly #ends = new RunEnds();
  /** Of the runs that have ended since the last count: ours of which no `status` told yet, and other clients'. */
  #oursEnded = 0;
  #strangersEnded = 0;
  /** Our jobs that ComfyUI took since the last count, in that order. */
  readonly #newcomers = new Set<string>();
  #mayMove = false;

  /** The jobs of the last look that tells of all that wait. */
  #lookedAt: ReadonlySet<string> = new Set();

  readonly #timing: Timing;
  readonly #ours: () => readonly Job[];

  /** `ours` returns our jobs on the server. */
  constructor(timing: Timing, ours: () => readonly Job[]) {
    this.#timing = timing;
    this.#ours = ours;
  }

  /** How many runs the queue held by the last `status`. */
  get remaining(): number | undefined {
    return this.#remaining;
  }

  /**
   * Takes in a `status`. If the length changed, our jobs may have moved; if it is less than the number of our jobs, one
   * has ended of which no frame told. Returns whether it tells that a run has ended.
   */
  told({ remaining, at, clientId }: QueueEvent, ours: number): boolean {
    const isEnd = this.#ends.told(remaining, clientId);
    if (isEnd && this.#oursEnded > 0) this.#oursEnded -= 1;
    else if (isEnd) {
      this.#strangersEnded += 1;
      this.#ended += 1;
    }
    const moved = this.#remaining !== undefined && this.#remaining !== remaining;
    this.#strangers ??= remaining - ours;
    this.#remaining = remaining;
    if (moved || remaining < ours) this.#countBy(at + this.#timing.soonMs);
    return isEnd;
  }

  /** Takes in that ComfyUI took a job of ours; returns it with a place, at most behind all others. */
  accepted(job: Job, at: number, isOutOfTurn: boolean, isTold: boolean): Job {
    const { promptId } = job.state;
    this.#newcomers.delete(promptId);
    this.#newcomers.add(promptId);
    this.#endedAtPlace.set(promptId, this.#ended);
    this.#isMixedUp ||= isOutOfTurn;
    this.#countBy(at + this.#timing.soonMs);
    // The `status` that a new job causes may come before ComfyUI's answer to its post.
    return this.#remaining === undefined || !isTold ? job : placed(job, this.#bounded(job), at);
  }

  /** Takes in that a look told the job's place. */
  found({ state: { promptId } }: Job): void {
    this.#endedAtPlace.set(promptId, this.#ended);
    this.#newcomers.delete(promptId);
  }

  /**
   * Takes in that a run of ours is over, or was found nowhere: the jobs behind it are one place nearer. If it only
   * waited, it mixes the places up, unless the look that missed it gives the others theirs.
   */
  left({ state: { promptId, status } }: Job): void {
    this.forget(promptId);
    if (status === 'processing') {
      this.#ended += 1;
      this.#oursEnded += 1;
    } else this.#isMixedUp ||= !this.#lookedAt.has(promptId);
  }

  /** Call when a job has left the board. */
  forget(promptId: string): void {
    this.#endedAtPlace.delete(promptId);
    this.#newcomers.delete(promptId);
  }

  /** Call when the clock was set back: what was planned by the time before is due now. */
  clockSetBack(now: number): void {
    this.#notBefore = now;
    this.#lookNotBefore = now;
  }

  /** The jobs to look up now because the queue moved in a way that our own jobs do not explain; mostly none. */
  due(now: number): readonly Job[] {
    if (this.#countAt <= now) this.#count(now);
    if (!this.#wantsLook) return [];
    if (!this.#isUrgent && now < this.#lookNotBefore) return [];
    return this.#looked([], now);
  }

  /**
   * Further jobs for a look at the `planned` ones, which reads the whole queue anyway: if the queue moved in a way that
   * our own jobs do not explain, or a planned one has left it by a cancel.
   */
  along(planned: readonly Job[], now: number): readonly Job[] {
    if (this.#countAt <= now) this.#count(now);
    this.#lookedAt = new Set();
    if (!this.#wantsLook && !planned.some(isLeaving)) return [];
    return this.#looked(planned, now);
  }

  /** Our waiting jobs whose places changed since the last count, with their new places. */
  moved(at: number): readonly Job[] {
    const remaining = this.#remaining;
    if (!this.#mayMove || remaining === undefined) return [];
    this.#mayMove = false;
    const waiting = this.#ours().filter((job) => isThere(job) && job.state.status === 'queued');
    const later = new Map([...this.#newcomers].reverse().map((id, behind) => [id, behind]));
    const moved = waiting.map((job) => {
      const behind = later.get(job.state.promptId);
      const place = behind === undefined ? this.#bounded(job) : Math.max(0, remaining - 1 - behind);
      return place === undefined ? job : placed(job, place, at);
    });
    this.#endedAtPlace = new Map(waiting.map(({ state: { promptId } }) => [promptId, this.#ended]));
    this.#newcomers.clear();
    return moved.filter((job, i) => job !== waiting[i]);
  }

  /** The jobs that a look made now is about, besides the planned ones. */
  #looked(planned: readonly Job[], now: number): readonly Job[] {
    this.#wantsLook = false;
    const concerned = this.#ours()
      .filter(isAtServer)
      .filter((job) => isConcerned(job, this.#isTooShort));
    this.#lookedAt = new Set([...planned, ...concerned].map(({ state }) => state.promptId));
    if (concerned.length > 0) this.#lookNotBefore = now + AUDITS_PER_LOOK * this.#timing.auditMs;
    return concerned;
  }

  #countBy(time: number): void {
    this.#countAt = Math.min(this.#countAt, Math.max(time, this.#notBefore));
  }

  /**
   * Counts the runs of other clients: if they are as many as before, less those that have ended, none went in front of
   * our jobs.
   */
  #count(now: number): void {
    const present = this.#ours().filter(isThere);
    const ours = present.length;
    const strangers = (this.#remaining ?? ours) - ours;
    // Only ours are left, and ComfyUI has taken the next: but none was told to have started.
    const isMissed = strangers === 0 && this.#strangersEnded > 0 && present.length > 0 && present.every(hasNotStarted);
    const wanted = this.#strangers === undefined ? undefined : this.#strangers - this.#strangersEnded;
    // None is left, and none has ended: one that waited was removed, or one of ours. The first `status` may have told
    // of ours before we knew that ComfyUI had taken them.
    const isRemoved = this.#isCounted && strangers === 0 && wanted !== undefined && wanted > 0;
    const isExplained = !isMissed && !this.#isMixedUp && !isRemoved && (strangers === 0 || strangers === wanted);
    this.#isCounted = true;
    if (!isExplained) this.#newcomers.clear();
    this.#strangers = strangers;
    [this.#oursEnded, this.#strangersEnded] = [0, 0];
    this.#isTooShort = strangers < 0;
    this.#isUrgent = isMissed || this.#isTooShort || this.#isMixedUp || (this.#wantsLook && this.#isUrgent);
    this.#isMixedUp = false;
    this.#countAt = Number.POSITIVE_INFINITY;
    this.#notBefore = now + 2 * this.#timing.soonMs + ours * PER_JOB_MS;
    this.#wantsLook ||= !isExplained;
    this.#mayMove = true;
  }

  /** The job's last known place, less our runs that have ended since; at most the queue's length less one. */
  #bounded({ state: { promptId, queuePosition } }: Job): number | undefined {
    const since = this.#ended - (this.#endedAtPlace.get(promptId) ?? this.#ended);
    const place = Math.min((queuePosition ?? Number.POSITIVE_INFINITY) - since, (this.#remaining ?? 0) - 1);
    return Math.max(0, place);
  }
}

/**
 * Whether a look at the moved queue should be about a job: one that waits, or has no open socket; any one if the queue
 * is shorter than our jobs. A job that a look missed already is looked up at its own times (R4), unless it is
 * cancelled.
 */
function isConcerned(job: Job<AtServer>, isTooShort: boolean): boolean {
  const isWanted = isCancelAsked(job);
  const isOpen = isTooShort || isWanted || !job.linked || job.state.status === 'queued';
  return isOpen && (isWanted || job.stage.absences.count === 0);
}

/** Whether a job waits whose start its socket would tell. */
const hasNotStarted = ({ linked, state }: Job): boolean => linked && state.status === 'queued';

/** Whether a job waits and was cancelled: a look will find it gone. */
const isLeaving = (job: Job): boolean => job.state.status === 'queued' && isCancelAsked(job);

function placed(job: Job, queuePosition: number | undefined, at: number): Job {
  const { status, queuePosition: before } = job.state;
  if (status !== 'queued' || queuePosition === undefined || queuePosition === before) return job;
  return restated(job, { ...job.state, queuePosition }, at);
}
