import type { SchedulerLike } from 'rxjs';
import type { Preview } from '../../pipeline/api';
import { isSettled } from '../../streams/job/job-state';
import { bounds } from '../../streams/bounds';
import { remember } from '../../streams/maps/remember';
import { bytesOf } from './encoded-state';
import type { Done, Reply } from '../wire/protocol';
import type { PublicJob } from '../wire/public-job';
import type { Wire } from './wire';

/** Of how many jobs a preview may wait, one each. */
const MOST_PREVIEWS = 4;
/** A reader of a large preview or survey is not stalled while it takes 32 bytes a ms. */
const SLOWEST_BYTES_PER_MS = 32;
/** How often the end of a job is sent again while it is not acknowledged, also to a client that never acknowledges. */
const REPEATS = 3;
/** How many unacknowledged ends are remembered; beyond that the oldest is not sent again. */
const MOST_ENDS = 1_000;
/** Most bytes of states in one write: each is copied for it, and a larger write would delay all else in the turn. */
const TOGETHER_BYTES = 64 << 10;

/** When a slow reader is cut. */
export interface SendQueueLimits {
  /** Most bytes that may wait for a reader. */
  readonly waitingBytes: number;
  /** How long nothing may leave while something waits, ms. */
  readonly stallMs: number;
}

/**
 * Sends to one reader. States that come in one turn of the event loop leave together at its end. While the connection
 * is busy, the newest state of each job waits, and answers wait in turn: a slow reader gets fewer states of a job, but
 * always its end, which is sent up to four times until it is acknowledged. The newest previews wait for an idle moment
 * and are dropped first. A reader past the limits is cut.
 */
export interface SendQueue {
  state(job: PublicJob): void;
  /** An image that may be dropped. */
  preview(preview: Preview): void;
  /** An answer, never dropped, which leaves before later states. One with a job replaces what waits of that job. */
  answer<R extends Reply | Done>(reply: R, send: (reply: R) => void): void;
  /** A survey takes the place of one that waits, and calls that one's `replaced`. */
  survey(survey: Survey): void;
  /** Tells the reader whether the live jobs are of this instance alone; replaces one that waits. */
  partial(isPartial: boolean): void;
  /** Drops what waits of a job. */
  forget(promptId: string): void;
  /** Call it whenever the connection has drained. */
  drained(): void;
  /** Cuts the reader if it has stalled. Call it every second or so. */
  inspect(): void;
}

/** An answer of many jobs. One of a reader's waits at a time. */
export interface Survey {
  /** Makes the answer, sends it, and returns its bytes. */
  readonly send: () => number;
  /** Called if another survey was asked for before this one was sent. */
  readonly replaced: () => void;
}

type AtEndOfTurn = (leave: () => void) => void;
/** A state of an unsettled job, or anything else that waits. */
type Parcel = { readonly bytes: number } & ({ readonly job: PublicJob } | { readonly send: () => void });

class WireQueue implements SendQueue {
  readonly #wire: Wire;
  readonly #limits: SendQueueLimits;
  readonly #clock: SchedulerLike;
  readonly #atEndOfTurn: AtEndOfTurn;
  /** What waits, in order: states under their job's id, answers under keys of their own. */
  readonly #waiting = new Map<unknown, Parcel>();
  readonly #previews = new Map<string, Preview>();
  /** How often each job's end may still be sent again. */
  readonly #repeats = new Map<string, number>();
  /** The survey that waits. */
  #survey: Survey | undefined;
  #bytes = 0;
  /** Whether what waits leaves at the end of this turn. */
  #isLeaving = false;
  #busySince: number;
  /** Bytes of the preview or survey that is being sent: they do not count as waiting, and give the reader more time. */
  #largeBytes = 0;

  constructor(wire: Wire, limits: SendQueueLimits, clock: SchedulerLike, atEndOfTurn: AtEndOfTurn) {
    this.#wire = wire;
    this.#limits = limits;
    this.#clock = clock;
    this.#atEndOfTurn = atEndOfTurn;
    this.#busySince = clock.now();
  }

  state(job: PublicJob): void {
    const { promptId } = job;
    if (isSettled(job)) {
      this.#previews.delete(promptId);
      this.#post(promptId, job, () => this.#sendEnd(job));
      return;
    }
    // A state of this job is due at the end of this turn: send it now, so that this one does not replace it.
    if (this.#isLeaving && this.#waiting.has(promptId)) this.#leave();
    if (this.#isIdle()) this.#busySince = this.#clock.now();
    this.#wait(promptId, { bytes: bytesOf(job), job });
    if (this.#bytes > TOGETHER_BYTES) this.#leave();
    else if (!this.#isLeaving && this.#wire.isDrained()) {
      this.#isLeaving = true;
      this.#atEndOfTurn(() => this.#leave());
    }
  }

  answer<R extends Reply | Done>(reply: R, send: (reply: R) => void): void {
    if ('job' in reply) this.#drop(reply.job.promptId);
    this.#post(Symbol('answer'), reply, () => send(reply));
  }

  survey(survey: Survey): void {
    const before = this.#survey;
    this.#survey = survey;
    if (before === undefined) this.#post(SURVEY, undefined, () => this.#sendSurvey());
    else before.replaced();
  }

  partial(isPartial: boolean): void {
    this.#post(PARTIAL, undefined, () => this.#wire.partial?.(isPartial));
  }

  preview(preview: Preview): void {
    if (preview.image.byteLength > bounds.previewBytes) return this.#wire.dropped?.('preview');
    if (this.#previews.has(preview.promptId)) this.#wire.dropped?.('preview');
    this.#previews.set(preview.promptId, preview);
    for (const oldest of [...this.#previews.keys()].slice(0, -MOST_PREVIEWS)) {
      this.#previews.delete(oldest);
      this.#wire.dropped?.('preview');
    }
    this.#sendPreviews();
  }

  forget(promptId: string): void {
    this.#previews.delete(promptId);
    this.#repeats.delete(promptId);
    this.#drop(promptId);
  }

  drained(): void {
    this.#busySince = this.#clock.now();
    this.#largeBytes = 0;
    while (this.#waiting.size > 0 && this.#wire.isDrained()) this.#sendNext();
    this.#sendPreviews();
  }

  inspect(): void {
    const { stallMs } = this.#limits;
    const isPast = this.#clock.now() - this.#busySince > stallMs + this.#largeBytes / SLOWEST_BYTES_PER_MS;
    if (isPast && !this.#isIdle()) this.#wire.cut(`nothing left for ${stallMs} ms`, 'stalled');
  }

  #isIdle(): boolean {
    return this.#waiting.size === 0 && this.#wire.isDrained();
  }

  #drop(key: unknown): void {
    this.#bytes -= this.#waiting.get(key)?.bytes ?? 0;
    this.#waiting.delete(key);
  }

  #leave(): void {
    this.#isLeaving = false;
    if (this.#wire.isDrained()) this.drained();
  }

  /** Sends what has waited longest: consecutive states in one write, or one other parcel. */
  #sendNext(): void {
    const states: PublicJob[] = [];
    let bytes = 0;
    for (const [key, parcel] of this.#waiting) {
      bytes += parcel.bytes;
      if (states.length > 0 && (!('job' in parcel) || bytes > TOGETHER_BYTES)) break;
      this.#drop(key);
      if (!('job' in parcel)) {
        parcel.send();
        return;
      }
      states.push(parcel.job);
    }
    this.#wire.states(states);
  }

  /** Sends at once if nothing waits, else in turn. */
  #post(key: unknown, value: object | undefined, send: () => void): void {
    if (this.#isIdle()) {
      this.#busySince = this.#clock.now();
      send();
      return;
    }
    this.#wait(key, { bytes: value === undefined ? 0 : bytesOf(value), send });
  }

  /** Queues a parcel, in place of one that waits under the same key. Cuts the reader past `waitingBytes`. */
  #wait(key: unknown, parcel: Parcel): void {
    const { waitingBytes } = this.#limits;
    const before = this.#waiting.get(key);
    if (before !== undefined && key !== PARTIAL) this.#wire.dropped?.('state');
    this.#bytes += parcel.bytes - (before?.bytes ?? 0);
    this.#waiting.set(key, parcel);
    if (this.#wire.isDrained()) return;
    if (this.#bytes + Math.max(0, this.#wire.backlogBytes() - this.#largeBytes) > waitingBytes)
      this.#wire.cut(`over ${waitingBytes} bytes wait for it`, 'too_much_waits');
  }

  #sendSurvey(): void {
    const survey = this.#survey;
    this.#survey = undefined;
    this.#largeBytes = survey?.send() ?? 0;
  }

  /** Sends the end of a job, and up to `REPEATS` times again while it is not acknowledged. */
  #sendEnd(job: PublicJob): void {
    const { promptId } = job;
    remember(this.#repeats, promptId, this.#repeats.get(promptId) ?? REPEATS, MOST_ENDS);
    this.#wire.end(job, (heard) => {
      const left = this.#repeats.get(promptId) ?? 0;
      this.#repeats.delete(promptId);
      if (heard || left === 0) return;
      this.#repeats.set(promptId, left - 1);
      this.#post(promptId, job, () => this.#sendEnd(job));
    });
  }

  #sendPreviews(): void {
    for (const [promptId, preview] of this.#previews) {
      if (!this.#isIdle()) return;
      this.#previews.delete(promptId);
      this.#busySince = this.#clock.now();
      this.#largeBytes = preview.image.byteLength;
      this.#wire.preview(preview);
    }
  }
}

/** A queue before one connection. `atEndOfTurn` calls back at the end of the event loop's turn. */
export const sendQueue = (
  wire: Wire,
  limits: SendQueueLimits,
  clock: SchedulerLike,
  atEndOfTurn: AtEndOfTurn = queueMicrotask,
): SendQueue => new WireQueue(wire, limits, clock, atEndOfTurn);

/** The keys in `#waiting` of the survey and of `jobs:partial`. */
const SURVEY = Symbol('survey');
const PARTIAL = Symbol('partial');
