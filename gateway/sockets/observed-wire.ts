import type { GatewayTelemetry, LiveKind } from '../metrics/gateway-event';
import type { PublicJob } from '../wire/public-job';
import type { Wire } from './send-queue';

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
    state(job) {
      wire.state(job);
      if (sent % SAMPLED === 0) leaving(job);
      sent += 1;
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
