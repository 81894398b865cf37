import type { Preview } from '../../pipeline/api';
import type { CutKind, GatewayTelemetry, LiveKind } from '../metrics/gateway-event';
import type { PublicJob } from '../wire/public-job';

/** A connection, as a send queue uses it. */
export interface Wire {
  /** Whether everything sent so far has been handed to the network. */
  isDrained(): boolean;
  /** Bytes that were sent and not yet handed to the network. */
  backlogBytes(): number;
  /** Sends states of unsettled jobs in one write: a write costs as much as all other work for a state. */
  states(jobs: readonly PublicJob[]): void;
  /** Sends a settled job. Calls `told` with whether the client acknowledged it in time. */
  end(job: PublicJob, told: (heard: boolean) => void): void;
  preview(preview: Preview): void;
  /** Sends `jobs:partial` to a socket that watches all jobs. */
  partial?(isPartial: boolean): void;
  /** Breaks the connection at once; unsent data is lost. */
  cut(reason: string, why: CutKind): void;
  /** Called for each state or preview that a slow reader does not get. */
  dropped?(what: 'state' | 'preview'): void;
}

/** The age of one in 32 sent states is measured: a histogram costs as much as a tenth of a small frame. */
const SAMPLED = 32;

/** A connection that calls `tell` with the age of sent states, with what is dropped, and with why it is cut. */
export function observedWire(wire: Wire, kind: LiveKind, tell: GatewayTelemetry): Wire {
  let sent = 0;
  let isCut = false;
  const openedAt = Date.now();
  /** Ends whose age was measured: each is sent again until it is acknowledged, and counts once. */
  const ended = new WeakSet<PublicJob>();
  /** Measures a state's age, unless it is from before the connection: then it is not late. */
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
