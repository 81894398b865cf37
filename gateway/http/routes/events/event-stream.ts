import type { Response } from 'express';
import { asyncScheduler } from 'rxjs';
import type { GatewayTelemetry } from '../../../metrics/gateway-event';
import { jsonOf } from '../../../sockets/encoded-state';
import { observedWire, type Wire } from '../../../sockets/wire';
import { sendQueue, type SendQueueLimits } from '../../../sockets/send-queue';
import type { PublicJob } from '../../../wire/public-job';

/** One reader of server-sent events. */
export interface EventStream {
  /** Sends a job's state, at once or when a slow reader is ready. Ends the stream after a settled one. */
  state(job: PublicJob): void;
  /** Sends a comment to an idle reader, so that no proxy closes the connection as dead. */
  beat(): void;
  /** Cuts the reader if it has stalled. Call it every second or so. */
  inspect(): void;
  /** Ends the stream. The reader may return. */
  end(): void;
}

/** Answers with an event stream. A slow reader is served as a slow socket is, and cut by the same limits. */
export function eventStream(
  response: Response,
  limits: SendQueueLimits,
  onCut: (reason: string) => void,
  tell: GatewayTelemetry,
): EventStream {
  let unsent = 0;
  const write = (text: string): void => {
    if (response.destroyed || response.writableEnded) return;
    unsent += 1;
    response.write(text, () => {
      unsent -= 1;
      if (unsent === 0) box.drained();
    });
  };
  const wire: Wire = {
    isDrained: () => unsent === 0,
    backlogBytes: () => response.writableLength,
    states: (jobs) => write(jobs.map(frameOf).join('')),
    end(job) {
      write(frameOf(job));
      response.end();
    },
    preview: () => undefined,
    cut(reason) {
      if (response.destroyed) return;
      onCut(reason);
      response.destroy();
    },
  };
  const box = sendQueue(observedWire(wire, 'event_stream', tell), limits, asyncScheduler);
  response.status(200).set(HEADERS);
  write(RETRY);
  return {
    state: (job) => box.state(job),
    beat() {
      if (unsent > 0) return;
      box.drained();
      write(':\n\n');
    },
    inspect: () => box.inspect(),
    end() {
      // States that came in this turn of the event loop wait for its end: send them now.
      if (unsent === 0) box.drained();
      response.end();
    },
  };
}

const HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'private, no-cache, no-transform',
  // Else nginx buffers the stream.
  'X-Accel-Buffering': 'no',
};
/** How long a browser waits before it returns, ms. */
const RETRY = 'retry: 2000\n\n';

const frameOf = (job: PublicJob): string => `id: ${job.epoch}:${job.seq}\ndata: ${jsonOf(job)}\n\n`;
