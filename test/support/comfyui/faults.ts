import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Viewing } from './http/file-response';

/** A proxy's answer instead of ComfyUI's, to these routes or, without `routes`, to everything. */
export interface StatusFault {
  readonly httpStatus: number;
  readonly body: string;
  /** HTML where absent. */
  readonly contentType?: string;
  /** Where it redirects to. */
  readonly location?: string;
  readonly routes?: readonly string[];
}

/** Everything that can be wrong with the server; set and unset at any time. */
export class Faults {
  /** Answers HTTP requests and WebSocket handshakes in ComfyUI's place, as a proxy does. */
  status: StatusFault | undefined;
  /** Until then (ms since the epoch) nothing is answered: requests, frames, pongs and handshakes wait. */
  busyUntil = 0;
  /** Sockets stay open and get no frames; what would have been sent is gone. Pings are answered. */
  deaf = false;
  /** What becomes of files on their way. */
  viewing: Viewing = 'aiohttp';
  /** Each response's body stops half way for that long. */
  slowBodyMs = 0;
  /** Each response's body ends half way, with its connection. */
  bodyTruncate = false;
  /** These paths never answer; `/ws` for handshakes. */
  hangRoutes: readonly string[] = [];
  /** So many queued jobs of 60 nodes more in `GET /queue`. */
  giantQueue = 0;
  /** `POST /prompt` loses its connection, before or after the job was queued. */
  loseAnswer: 'before' | 'after' | undefined;
  /** How many more answers `loseAnswer` takes; counts down. */
  loseAnswerTimes = Infinity;
  /** How many answers `loseAnswer` took. */
  lostAnswers = 0;
  /** How long after its last frame a finished job stays in the queue and out of the history. */
  historyDelayMs = 2;
  /** Each frame comes with one before it that no client can read. */
  malformedFrames = false;
  /** Whether a closing socket takes its successor's place in the table along, as real servers do. */
  staleSocketTrap = true;

  readonly #news = new EventEmitter().setMaxListeners(0);
  #mostSteps = Infinity;

  /** A node that counts takes no step past this one: it goes on once this is more, or its job is interrupted. */
  get mostSteps(): number {
    return this.#mostSteps;
  }

  set mostSteps(steps: number) {
    this.#mostSteps = steps;
    this.wake();
  }

  /** Has those that wait for a change look again. */
  wake(): void {
    this.#news.emit('change');
  }

  /** Resolves with the next change; rejects once the signal is aborted. */
  async change(signal: AbortSignal): Promise<void> {
    await once(this.#news, 'change', { signal });
  }

  /** Answers nothing for that long, then everything at once, as when a node holds Python's lock. */
  busy(seconds: number): void {
    this.busyUntil = Date.now() + seconds * 1000;
  }

  isBusy(): boolean {
    return Date.now() < this.busyUntil;
  }

  /** Resolves when the server can answer again. */
  async free(): Promise<void> {
    while (this.isBusy()) await sleep(this.busyUntil - Date.now(), undefined, { ref: false });
  }

  hangs(path: string): boolean {
    return this.hangRoutes.some((route) => path.startsWith(route));
  }

  /** The proxy's answer to that path, if one is due. */
  statusFor(path: string): StatusFault | undefined {
    const { status } = this;
    return status?.routes?.every((route) => !path.startsWith(route)) ? undefined : status;
  }

  /** Whether this `POST /prompt` loses its answer at that moment. */
  losesAnswer(when: 'before' | 'after'): boolean {
    if (this.loseAnswer !== when || this.loseAnswerTimes <= 0) return false;
    this.loseAnswerTimes -= 1;
    this.lostAnswers += 1;
    return true;
  }
}
