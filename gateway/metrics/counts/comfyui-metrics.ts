import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { buckets } from './buckets';
import { endpointOf } from '../labels/endpoint';
import type { Handlers } from '../handlers';
import type { Labels, Watched } from '../labels/labels';
import type { Retries } from './retry-metrics';

type Tags = 'requested' | 'looked' | 'posted' | 'postFailed' | 'socketOpened' | 'socketEnded' | 'frame' | 'badFrame';

/** Metrics of ComfyUI servers: requests, looks, frames, sockets. */
export function comfyuiMetrics(registry: Registry, labels: Labels, watched: Watched, retries: Retries): Handlers<Tags> {
  serverGauges(registry, labels, watched);
  return {
    ...requestMetrics(registry, labels, retries),
    ...frameMetrics(registry, labels),
    ...socketMetrics(registry, labels),
  };
}

function requestMetrics(
  registry: Registry,
  labels: Labels,
  retries: Retries,
): Handlers<'requested' | 'looked' | 'posted' | 'postFailed'> {
  const registers = [registry];
  const requests = new Counter({
    name: 'jobstream_comfyui_requests_total',
    help: 'Requests to ComfyUI by endpoint: answered, unanswered (refused, timed out, 5xx, 429, HTML), or not sent while the breaker is open.',
    labelNames: ['server', 'endpoint', 'outcome'],
    registers,
  });
  const durations = new Histogram({
    name: 'jobstream_comfyui_request_duration_seconds',
    help: 'How long requests to ComfyUI took that were sent.',
    labelNames: ['endpoint'],
    buckets: buckets.requests,
    registers,
  });
  const looks = new Histogram({
    name: 'jobstream_look_duration_seconds',
    help: 'How long a look at the jobs that were due on a server took, all its requests together.',
    labelNames: ['server', 'outcome'],
    buckets: buckets.requests,
    registers,
  });
  const lookedAt = new Counter({
    name: 'jobstream_looked_jobs_total',
    help: 'Jobs looked up, each time they were.',
    labelNames: ['server'],
    registers,
  });
  return {
    requested: ({ server, method, path, outcome, ms }) => {
      const endpoint = endpointOf(method, path);
      requests.inc({ server: labels.server(server), endpoint, outcome });
      if (outcome !== 'not_sent') durations.observe({ endpoint }, ms / 1000);
    },
    looked: ({ server, jobs, outcome, ms }) => {
      looks.observe({ server: labels.server(server), outcome }, ms / 1000);
      lookedAt.inc({ server: labels.server(server) }, jobs);
    },
    postFailed: () => retries.tried('post'),
    posted: ({ failure, failedTries }) => {
      if (failedTries > 0 && failure !== 'cancelled')
        retries.ended('post', failure === 'unreachable' ? 'exhausted' : 'recovered');
    },
  };
}

function frameMetrics(registry: Registry, labels: Labels): Handlers<'frame' | 'badFrame'> {
  const registers = [registry];
  const labelNames = ['server'] as const;
  /** Frames by server, copied to the counter at each scrape: prom-client's `inc` costs ten times as much a frame. */
  const frames = new Map<string, number>();
  new Counter({
    name: 'jobstream_comfyui_frames_total',
    help: 'WebSocket frames from ComfyUI.',
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const [server, count] of frames) this.inc({ server }, count);
    },
  });
  const badFrames = new Counter({
    name: 'jobstream_comfyui_bad_frames_total',
    help: 'Frames that could not be read and were dropped.',
    labelNames,
    registers,
  });
  return {
    frame: (event) => {
      const server = labels.server(event.server);
      frames.set(server, (frames.get(server) ?? 0) + 1);
    },
    badFrame: ({ server }) => badFrames.inc({ server: labels.server(server) }),
  };
}

function socketMetrics(registry: Registry, labels: Labels): Handlers<'socketOpened' | 'socketEnded'> {
  const registers = [registry];
  const labelNames = ['server'] as const;
  const open = new Gauge({
    name: 'jobstream_comfyui_sockets',
    help: 'Open WebSockets to ComfyUI, one a session.',
    labelNames,
    registers,
  });
  const reconnects = new Counter({
    name: 'jobstream_comfyui_reconnects_total',
    help: 'WebSockets opened anew after one had ended.',
    labelNames,
    registers,
  });
  const ends = new Counter({
    name: 'jobstream_comfyui_socket_ends_total',
    help: 'WebSockets that ended: refused (never opened), cut_off, closed by the server, deaf (exchanged by us, R7), stopped.',
    labelNames: ['server', 'reason'],
    registers,
  });
  const gaps = new Histogram({
    name: 'jobstream_comfyui_socket_gap_seconds',
    help: 'How long a session had no socket between two: frames of that time are missed, and looked up.',
    labelNames,
    buckets: buckets.outages,
    registers,
  });
  return {
    socketOpened: (event) => {
      const server = labels.server(event.server);
      open.inc({ server });
      if (event.gapMs === undefined) return;
      reconnects.inc({ server });
      gaps.observe({ server }, event.gapMs / 1000);
    },
    socketEnded: ({ server, end, wasOpen }) => {
      if (wasOpen) open.dec({ server: labels.server(server) });
      ends.inc({ server: labels.server(server), reason: end });
    },
  };
}

function serverGauges(registry: Registry, labels: Labels, watched: Watched): void {
  const registers = [registry];
  const labelNames = ['server'] as const;
  new Gauge({
    name: 'jobstream_comfyui_healthy',
    help: '1 where the server keeps a socket open or answered since it closed, else 0. Of several called other, the worst.',
    labelNames,
    registers,
    collect() {
      this.reset();
      const well = new Map<string, boolean>();
      for (const { name, healthy } of watched.view?.servers() ?? []) {
        const server = labels.server(name);
        well.set(server, healthy && (well.get(server) ?? true));
      }
      for (const [server, healthy] of well) this.set({ server }, healthy ? 1 : 0);
    },
  });
  new Gauge({
    name: 'jobstream_comfyui_queue_jobs',
    help: 'Jobs in the server’s queue, the running one and other people’s included, as it last said.',
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const { name, queueRemaining } of watched.view?.servers() ?? [])
        if (queueRemaining !== undefined) this.inc({ server: labels.server(name) }, queueRemaining);
    },
  });
}
