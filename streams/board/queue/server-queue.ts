import { isAtServer, isCancelAsked, isThere, type AtServer, type Job } from '../../job/job';
import type { Timing } from '../../job/timing';

/** The look after a look at a queue waits for twice `soonMs`, and so much for each of our jobs there: an answer holds them all. */
const PER_JOB_MS = 5;
/** A look at a queue that strangers move is earned in so many `auditMs`; one is there at the start, and so many are saved up (R8). */
const AUDITS_PER_LOOK = 2;
const LOOKS_SAVED = 3;

/**
 * One server's queue: what its `status` frames and our own jobs tell of it. Our jobs' places follow from what is ours; a
 * look at the queue is due where a stranger came or went, for he may have gone in front.
 */
export class ServerQueue {
  #remaining: number | undefined;
  /** How many runs there were nobody's here, when it was last counted. */
  #strangers: number | undefined;
  /** Something of ours came or went out of turn: what is known says no more who stands where. */
  #isMixedUp = false;
  #countAt = Number.POSITIVE_INFINITY;
  #notBefore = 0;
  #wantsLook = false;
  #isTooShort = false;
  /** A look that may not wait: we know that somebody's place is wrong. */
  #isUrgent = false;
  /** Until when looks are paid for: each costs its time, and `LOOKS_SAVED` of them may be ahead of it. */
  #paidUntil: number | undefined;
  /** Runs of ours that have ended, in all; and how many had when a waiting job was given its place. */
  #ended = 0;
  #endedAtPlace = new Map<string, number>();
  /** Our jobs that were taken since the last count, first come first. */
  readonly #newcomers = new Set<string>();
  #mayMove = false;

  /** The jobs that the last look is about, where it is about all that wait. */
  #lookedAt: ReadonlySet<string> = new Set();

  readonly #timing: Timing;
  readonly #ours: () => readonly Job[];

  /** `ours` gives our jobs on the server. */
  constructor(timing: Timing, ours: () => readonly Job[]) {
    this.#timing = timing;
    this.#ours = ours;
  }

  /** Runs that the server has in hand, by its last `status`. */
  get remaining(): number | undefined {
    return this.#remaining;
  }

  /** A `status`: a queue that moved may have moved our jobs, and one that is shorter than they are ended one that no frame tells of. */
  told(remaining: number, at: number, ours: number): void {
    const moved = this.#remaining !== undefined && this.#remaining !== remaining;
    this.#strangers ??= remaining - ours;
    this.#remaining = remaining;
    if (moved || remaining < ours) this.#countBy(at + this.#timing.soonMs);
  }

  /** ComfyUI took a job of ours: it has at most all others before it. */
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

  /** A look told where a job stands. */
  found({ state: { promptId } }: Job): void {
    this.#endedAtPlace.set(promptId, this.#ended);
    this.#newcomers.delete(promptId);
  }

  /** A run of ours is over, or found nowhere: whoever waits behind it is one nearer. What is told of others by the look that found it so, is told without it. */
  left({ state: { promptId, status } }: Job): void {
    this.forget(promptId);
    if (status === 'processing') this.#ended += 1;
    else this.#isMixedUp ||= !this.#lookedAt.has(promptId);
  }

  /** A job is not on the board any more. */
  forget(promptId: string): void {
    this.#endedAtPlace.delete(promptId);
    this.#newcomers.delete(promptId);
  }

  /** The jobs that a look is to be about now, because the queue moved otherwise than our jobs explain; mostly none. */
  due(now: number): readonly Job[] {
    if (this.#countAt <= now) this.#count(now);
    if (!this.#wantsLook) return [];
    if (!this.#isUrgent && now < this.#paid(now) - (LOOKS_SAVED - 1) * this.#lookMs) return [];
    return this.#looked([], now);
  }

  /**
   * The jobs that a look which asks for the queue anyway, about those that are `planned`, tells of besides for nothing: where the
   * queue moved otherwise than our jobs explain, or is about to show that one of ours has left it.
   */
  along(planned: readonly Job[], now: number): readonly Job[] {
    if (this.#countAt <= now) this.#count(now);
    // A look as good as that which may be made at the start.
    this.#paidUntil ??= now + LOOKS_SAVED * this.#lookMs;
    this.#lookedAt = new Set();
    if (!this.#wantsLook && !planned.some(isLeaving)) return [];
    return this.#looked(planned, now);
  }

  /** Our waiting jobs whose places have changed by what is known, in their new places. */
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

  get #lookMs(): number {
    return AUDITS_PER_LOOK * this.#timing.auditMs;
  }

  #paid(now: number): number {
    return Math.max(this.#paidUntil ?? now + (LOOKS_SAVED - 1) * this.#lookMs, now);
  }

  /** Whom a look that is made now is about, besides those that were planned. */
  #looked(planned: readonly Job[], now: number): readonly Job[] {
    this.#wantsLook = false;
    const concerned = this.#ours()
      .filter(isAtServer)
      .filter((job) => isConcerned(job, this.#isTooShort));
    this.#lookedAt = new Set([...planned, ...concerned].map(({ state }) => state.promptId));
    if (concerned.length > 0)
      this.#paidUntil = Math.min(this.#paid(now) + this.#lookMs, now + LOOKS_SAVED * this.#lookMs);
    return concerned;
  }

  #countBy(time: number): void {
    this.#countAt = Math.min(this.#countAt, Math.max(time, this.#notBefore));
  }

  /** Counts the strangers anew: where they are as many as before, nobody went in front of ours. */
  #count(now: number): void {
    const ours = this.#ours().filter(isThere).length;
    const strangers = (this.#remaining ?? ours) - ours;
    const isExplained = !this.#isMixedUp && (strangers === 0 || strangers === this.#strangers);
    if (!isExplained) this.#newcomers.clear();
    this.#strangers = strangers;
    this.#isTooShort = strangers < 0;
    this.#isUrgent = this.#isTooShort || this.#isMixedUp || (this.#wantsLook && this.#isUrgent);
    this.#isMixedUp = false;
    this.#countAt = Number.POSITIVE_INFINITY;
    this.#notBefore = now + 2 * this.#timing.soonMs + ours * PER_JOB_MS;
    this.#wantsLook ||= !isExplained;
    this.#mayMove = true;
  }

  /** A place that was known, less the runs of ours that have ended since; no job has more before it than there are. */
  #bounded({ state: { promptId, queuePosition } }: Job): number | undefined {
    const since = this.#ended - (this.#endedAtPlace.get(promptId) ?? this.#ended);
    const place = Math.min((queuePosition ?? Number.POSITIVE_INFINITY) - since, (this.#remaining ?? 0) - 1);
    return Math.max(0, place);
  }
}

/**
 * Whether the queue's new length says something of a job: of one that waits or has no socket; of any where the queue is
 * shorter than our jobs in it. One that was not found already is looked for in its own time (R4).
 */
function isConcerned(job: Job<AtServer>, isTooShort: boolean): boolean {
  const isWanted = isCancelAsked(job);
  const isOpen = isTooShort || isWanted || !job.linked || job.state.status === 'queued';
  return isOpen && (isWanted || job.stage.absences.count === 0);
}

/** A job that waits, and is to be found gone because its cancel was asked for. */
const isLeaving = (job: Job): boolean => job.state.status === 'queued' && isCancelAsked(job);

function placed(job: Job, queuePosition: number | undefined, at: number): Job {
  const { status, queuePosition: before, updatedAt, seq } = job.state;
  if (status !== 'queued' || queuePosition === undefined || queuePosition === before) return job;
  return { ...job, state: { ...job.state, queuePosition, updatedAt: Math.max(at, updatedAt), seq: seq + 1 } };
}
