import type { SchedulerLike } from 'rxjs';
import type { Preview } from '../../pipeline/api';
import { isSettled } from '../../streams/job/job-state';
import { bounds } from '../../streams/bounds';
import { jsonOf } from './encoded-state';
import type { Reply, WatchReply } from '../wire/protocol';
import type { PublicJob } from '../wire/public-job';
import type { CutKind } from '../metrics/gateway-event';

/** How many jobs' previews wait, one each. */
const MOST_PREVIEWS = 4;
/** A reader that takes so little of a large preview still reads: 32 KiB a second. */
const SLOWEST_BYTES_PER_MS = 32;
/** How often the end of a job is sent again that was not acknowledged: a client without acknowledgements gets it so often. */
const REPEATS = 3;
/** Of how many jobs the end may be under way, each. */
const MOST_ENDS = 1_000;

/** What an outbox needs of a connection. */
export interface Wire {
  /** Whether everything sent so far has left for the network. */
  isDrained(): boolean;
  /** Bytes that were sent and have not left yet. */
  backlogBytes(): number;
  state(job: PublicJob): void;
  /** Sends a settled job, of which the other side acknowledges the receipt: tells whether it did in good time. */
  end(job: PublicJob, told: (heard: boolean) => void): void;
  preview(preview: Preview): void;
  /** Breaks the connection at once; what is unsent is gone. */
  cut(reason: string, why: CutKind): void;
  /** Told of what a slow reader does not get. */
  dropped?(what: 'state' | 'preview'): void;
}

export interface OutboxLimits {
  /** How much may wait for a slow reader. */
  readonly waitingBytes: number;
  /** How long nothing may leave while something waits. */
  readonly stallMs: number;
}

/**
 * What one reader still has to get. While the connection is busy, the newest state of each job waits and answers wait in turn;
 * so a slow reader sees fewer steps of a job and never misses its end, which is sent again until it is acknowledged. The
 * newest previews wait for an idle moment and are dropped first. A reader that is too slow is cut.
 */
export interface Outbox {
  state(job: PublicJob): void;
  /** An image that may be dropped. */
  preview(preview: Preview): void;
  /** An answer that must arrive, before later states; one with a job takes the place of what waits of it. */
  answer<R extends Reply | WatchReply>(reply: R, send: (reply: R) => void): void;
  /** Drops what waits of a job. */
  forget(promptId: string): void;
  /** To be called whenever the connection drained. */
  drained(): void;
  /** To be called now and then: cuts a reader that stalled. */
  inspect(): void;
}

interface Parcel {
  readonly bytes: number;
  readonly send: () => void;
}

export function outbox(wire: Wire, { waitingBytes, stallMs }: OutboxLimits, clock: SchedulerLike): Outbox {
  /** States under their job's id, answers under a key of their own; in the order in which they wait. */
  const waiting = new Map<unknown, Parcel>();
  const previews = new Map<string, Preview>();
  /** How often the end of each of these may be sent again. */
  const repeats = new Map<string, number>();
  let bytes = 0;
  let busySince = clock.now();
  /** Of the preview that is on its way: nobody is slow for having asked for it. */
  let previewBytes = 0;

  const isIdle = (): boolean => waiting.size === 0 && wire.isDrained();
  const drop = (key: unknown): void => {
    bytes -= waiting.get(key)?.bytes ?? 0;
    waiting.delete(key);
  };
  const post = (key: unknown, value: object, send: () => void): void => {
    if (isIdle()) {
      busySince = clock.now();
      send();
      return;
    }
    const parcel = { bytes: sizeOf(value), send };
    const before = waiting.get(key);
    if (before !== undefined) wire.dropped?.('state');
    bytes += parcel.bytes - (before?.bytes ?? 0);
    waiting.set(key, parcel);
    if (bytes + Math.max(0, wire.backlogBytes() - previewBytes) > waitingBytes)
      wire.cut(`over ${waitingBytes} bytes wait for it`, 'too_much_waits');
  };

  const send = (job: PublicJob): void => {
    const { promptId } = job;
    if (!isSettled(job)) {
      wire.state(job);
      return;
    }
    repeats.set(promptId, repeats.get(promptId) ?? REPEATS);
    const [oldest] = repeats.keys();
    if (repeats.size > MOST_ENDS && oldest !== undefined) repeats.delete(oldest);
    wire.end(job, (heard) => {
      const left = repeats.get(promptId) ?? 0;
      repeats.delete(promptId);
      if (heard || left === 0) return;
      repeats.set(promptId, left - 1);
      post(promptId, job, () => send(job));
    });
  };

  const sendPreviews = (): void => {
    for (const [promptId, preview] of previews) {
      if (!isIdle()) return;
      previews.delete(promptId);
      busySince = clock.now();
      previewBytes = preview.image.byteLength;
      wire.preview(preview);
    }
  };

  return {
    state(job) {
      if (isSettled(job)) previews.delete(job.promptId);
      post(job.promptId, job, () => send(job));
    },
    answer(reply, send) {
      if ('job' in reply) drop(reply.job.promptId);
      post(Symbol('answer'), reply, () => send(reply));
    },
    preview(preview) {
      if (preview.image.byteLength > bounds.previewBytes) return wire.dropped?.('preview');
      if (previews.has(preview.promptId)) wire.dropped?.('preview');
      previews.set(preview.promptId, preview);
      for (const oldest of [...previews.keys()].slice(0, -MOST_PREVIEWS)) {
        previews.delete(oldest);
        wire.dropped?.('preview');
      }
      sendPreviews();
    },
    forget(promptId) {
      previews.delete(promptId);
      repeats.delete(promptId);
      drop(promptId);
    },
    drained() {
      busySince = clock.now();
      previewBytes = 0;
      for (const [key, { send }] of waiting) {
        if (!wire.isDrained()) return;
        drop(key);
        send();
      }
      sendPreviews();
    },
    inspect() {
      const patienceMs = stallMs + previewBytes / SLOWEST_BYTES_PER_MS;
      if (!isIdle() && clock.now() - busySince > patienceMs) wire.cut(`nothing left for ${stallMs} ms`, 'stalled');
    },
  };
}

/** One state waits for many readers, and goes out to all of them: it is written as JSON once. */
const sizeOf = (value: object): number => jsonOf(value).length;
