import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { buckets } from './buckets';
import type { GatewayEvent } from '../gateway-event';
import type { Handlers } from '../handlers';
import type { Retries } from './retry-metrics';

/** Metrics of the gateway's live connections and webhooks. */
export function liveMetrics(registry: Registry, retries: Retries): Handlers<GatewayEvent['tag']> {
  return { ...connectionMetrics(registry), ...webhookMetrics(registry, retries) };
}

type Connections = 'connected' | 'disconnected' | 'cut' | 'dropped' | 'stateSent';

function connectionMetrics(registry: Registry): Handlers<Connections> {
  const registers = [registry];
  const open = new Gauge({
    name: 'jobstream_connections',
    help: 'Live connections to this gateway: Socket.IO sockets and event streams.',
    labelNames: ['kind'],
    registers,
  });
  const cuts = new Counter({
    name: 'jobstream_connection_cuts_total',
    help: 'Live connections that the gateway cut, and why.',
    labelNames: ['kind', 'reason'],
    registers,
  });
  const dropped = new Counter({
    name: 'jobstream_dropped_total',
    help: 'What slow readers did not get: states in place of which a newer one went out, and previews.',
    labelNames: ['what'],
    registers,
  });
  const ages = new Histogram({
    name: 'jobstream_frame_to_socket_seconds',
    help: 'From the arrival of a frame, or a look’s answer, to its state’s leaving for a reader.',
    buckets: buckets.delays,
    registers,
  });
  for (const what of ['state', 'preview']) dropped.inc({ what }, 0);
  for (const kind of ['socket_io', 'event_stream'])
    for (const reason of ['too_much_waits', 'stalled']) cuts.inc({ kind, reason }, 0);
  return {
    connected: ({ kind }) => open.inc({ kind }),
    disconnected: ({ kind }) => open.dec({ kind }),
    cut: ({ kind, why }) => cuts.inc({ kind, reason: why }),
    dropped: ({ what }) => dropped.inc({ what }),
    stateSent: ({ ageMs }) => ages.observe(ageMs / 1000),
  };
}

function webhookMetrics(registry: Registry, retries: Retries): Handlers<'webhookTried' | 'webhookEnded'> {
  const registers = [registry];
  const attempts = new Histogram({
    name: 'jobstream_webhook_attempt_duration_seconds',
    help: 'Attempts to tell a webhook: delivered, unwanted (410), failed.',
    labelNames: ['outcome'],
    buckets: buckets.requests,
    registers,
  });
  return {
    webhookTried: ({ outcome, ms }) => {
      attempts.observe({ outcome }, ms / 1000);
      if (outcome === 'failed') retries.tried('webhook');
    },
    webhookEnded: ({ outcome }) => retries.ended('webhook', outcome),
  };
}
