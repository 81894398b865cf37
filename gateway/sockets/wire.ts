import type { Preview } from '../../pipeline/api';
import type { CutKind, GatewayTelemetry, LiveKind } from '../metrics/gateway-event';
import type { PublicJob } from '../wire/public-job';

/** What a send queue needs of a connection. */
export interface Wire {
  /** Whether everything sent so far has left for the network. */
  isDrained(): boolean;
  /** Bytes that were sent and have not left yet. */
  backlogBytes(): number;
  /** Sends states of jobs that go on, all in one write: a write costs as much as all else that is done for a state. */
  states(jobs: readonly PublicJob[]): void;
  /** Sends a settled job, of which the other side acknowledges the receipt: tells whether it did in good time. */
  end(job: PublicJob, told: (heard: boolean) => void): void;
  preview(preview: Preview): void;
  /** Tells who watches all whether those are this instance's alone; nobody else is told. */
  partial?(isPartial: boolean): void;
  /** Breaks the connection at once; what is unsent is gone. */
  cut(reason: string, why: CutKind): void;
  /** Told of what a slow reader does not get. */
  dropped?(what: 'state' | 'preview'): void;
}

/** Of so many states that leave for a reader, one is asked for its age: a histogram costs as much as a tenth of a small frame. */
const SAMPLED = 32;

/** A connection of which is told how old the states are that leave, what is dropped, and why it is cut. */
export function observedWire(wire: Wire, kind: LiveKind, tell: GatewayTelemetry): Wire {
  let sent = 0;
  let isCut = false;
  const openedAt = Date.now();
  /** Ends of which it was told: each comes again until it is acknowledged. */
  const ended = new WeakSet<PublicJob>();
  /** What was there before it came is not late. */
  const leaving = ({ updatedAt }: PublicJob): void => {
    if (updatedAt >= openedAt) tell({ tag: 'stateSent', ageMs: Math.max(0, Date.now() - updatedAt) });
  };
  return {
    ...wire,
    states(jobs) {
      wire.states(jobs);
      for (const job of jobs) {
        if (sent % SAMPLED === 0) leaving(job);
        sent += 1;
      }
    },
    end(job, told) {
      wire.end(job, told);
      if (!ended.has(job)) leaving(job);
      ended.add(job);
    },
    dropped: (what) => tell({ tag: 'dropped', what }),
    cut(reason, why) {
      wire.cut(reason, why);
      if (!isCut) tell({ tag: 'cut', kind, why });
      isCut = true;
    },
  };
}
