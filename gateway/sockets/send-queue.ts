import type { SchedulerLike } from 'rxjs';
import type { Preview } from '../../pipeline/api';
import { isSettled } from '../../streams/job/job-state';
import { bounds } from '../../streams/bounds';
import { remember } from '../../streams/maps/remember';
import { bytesOf } from './encoded-state';
import type { Refusal, Reply } from '../wire/protocol';
import type { PublicJob } from '../wire/public-job';
import type { Wire } from './wire';

/** How many jobs' previews wait, one each. */
const MOST_PREVIEWS = 4;
/** A reader that takes so little of a large preview, or of an answer of many jobs, still reads: 32 KiB a second. */
const SLOWEST_BYTES_PER_MS = 32;
/** How often the end of a job is sent again that was not acknowledged: a client without acknowledgements gets it so often. */
const REPEATS = 3;
/** How many unacknowledged ends are remembered; beyond that the oldest is not sent again. */
const MOST_ENDS = 1_000;
/** Bytes of states that leave in one write: more would keep the rest of a turn waiting, and each is copied for it. */
const TOGETHER_BYTES = 64 << 10;

/** What a slow reader may cost. */
export interface SendQueueLimits {
  /** How much may wait for a slow reader. */
  readonly waitingBytes: number;
  /** How long nothing may leave while something waits. */
  readonly stallMs: number;
}

/**
 * What one reader still has to get. States that come in one turn of the event loop leave together at its end. While the
 * connection is busy, the newest state of each job waits and answers wait in turn; so a slow reader sees fewer steps of a
 * job and never misses its end, which is sent again until it is acknowledged. The newest previews wait for an idle moment
 * and are dropped first. A reader that is too slow is cut.
 */
export interface SendQueue {
  state(job: PublicJob): void;
  /** An image that may be dropped. */
  preview(preview: Preview): void;
  /** An answer that must arrive, before later states; one with a job takes the place of what waits of it. */
  answer<R extends Reply | Refusal>(reply: R, send: (reply: R) => void): void;
  /** An answer of many jobs, made when it leaves; it takes the place of one that waits, and that one is told. */
  survey(survey: Survey): void;
  /** Whether all jobs are this instance's alone by now: of several that wait the last. */
  partial(isPartial: boolean): void;
  /** Drops what waits of a job. */
  forget(promptId: string): void;
  /** To be called whenever the connection drained. */
  drained(): void;
  /** To be called now and then: cuts a reader that stalled. */
  inspect(): void;
}

/** An answer of many jobs, of which a reader is owed one at a time. */
export interface Survey {
  /** Makes it, sends it, and returns how many bytes it has. */
  readonly send: () => number;
  /** Another one was asked for before it left. */
  readonly replaced: () => void;
}

type AtEndOfTurn = (leave: () => void) => void;
/** A state of a job that goes on, or anything else. */
type Parcel = { readonly bytes: number } & ({ readonly job: PublicJob } | { readonly send: () => void });

class WireQueue implements SendQueue {
  readonly #wire: Wire;
  readonly #limits: SendQueueLimits;
  readonly #clock: SchedulerLike;
  readonly #atEndOfTurn: AtEndOfTurn;
  /** States under their job's id, answers under a key of their own; in the order in which they wait. */
  readonly #waiting = new Map<unknown, Parcel>();
  readonly #previews = new Map<string, Preview>();
  /** How often the end of each of these may be sent again. */
  readonly #repeats = new Map<string, number>();
  /** The answer of many jobs that waits. */
  #survey: Survey | undefined;
  #bytes = 0;
  /** Whether what waits leaves at the end of this turn. */
  #isLeaving = false;
  #busySince: number;
  /** Of the preview or the answer of many jobs that is on its way: nobody is slow for having asked for it. */
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
    // The first of a job in a turn is as good as sent: the next takes the place of none.
    if (this.#isLeaving && this.#waiting.has(promptId)) this.#leave();
    if (this.#isIdle()) this.#busySince = this.#clock.now();
    this.#wait(promptId, { bytes: bytesOf(job), job });
    if (this.#bytes > TOGETHER_BYTES) this.#leave();
    else if (!this.#isLeaving && this.#wire.isDrained()) {
      this.#isLeaving = true;
      this.#atEndOfTurn(() => this.#leave());
    }
  }

  answer<R extends Reply | Refusal>(reply: R, send: (reply: R) => void): void {
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

  /** Sends what has waited longest: states together, as many as come before anything else, or that. */
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

  /** Sends at once where nothing waits, else in turn. */
  #post(key: unknown, value: object | undefined, send: () => void): void {
    if (this.#isIdle()) {
      this.#busySince = this.#clock.now();
      send();
      return;
    }
    this.#wait(key, { bytes: value === undefined ? 0 : bytesOf(value), send });
  }

  /** In place of what waits under the same key. */
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

  /** Sends the end of a job, `REPEATS` times again while it is not acknowledged. */
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

/** A queue before one connection. A turn is a read of frames, say, and all that follows from it. */
export const sendQueue = (
  wire: Wire,
  limits: SendQueueLimits,
  clock: SchedulerLike,
  atEndOfTurn: AtEndOfTurn = queueMicrotask,
): SendQueue => new WireQueue(wire, limits, clock, atEndOfTurn);

/** Where the answer of many jobs waits, and whether all are there. */
const SURVEY = Symbol('survey');
const PARTIAL = Symbol('partial');
