import { Registry } from 'prom-client';
import type { Telemetry } from '../../pipeline/telemetry/telemetry-event';
import { comfyuiMetrics } from './counts/comfyui-metrics';
import type { GatewayTelemetry } from './gateway-event';
import type { Handlers, MetricsEvent } from './handlers';
import { jobMetrics } from './counts/job-metrics';
import { labelsOf, type Watched } from './labels/labels';
import { liveMetrics } from './counts/live-metrics';
import { retryMetrics } from './counts/retry-metrics';
import { storeMetrics } from './counts/store-metrics';

/** The registry that the metrics are added to, and the job types that they tell apart. */
export interface MetricsOptions {
  /** A `Registry` of prom-client; a new one if absent. */
  readonly registry?: Registry;
  /** Job types to tell apart, besides the four known ones, 50 in all; the label of all others is `other`. */
  readonly types?: readonly string[];
}

/** The metrics of one pipeline, and of the gateway before it. */
export interface Metrics {
  readonly registry: Registry;
  /** Give it to one `createPipeline`, as `telemetry`. */
  readonly telemetry: Telemetry & GatewayTelemetry;
}

/**
 * Metrics for Prometheus: times in seconds, no ids in labels. Throws a `TypeError` for a bad option, and an `Error` if
 * the registry already has a metric of one of the names.
 */
export function prometheusMetrics({ registry = new Registry(), types = [] }: MetricsOptions = {}): Metrics {
  if (typeof (registry as Partial<Registry> | null)?.registerMetric !== 'function')
    throw new TypeError('registry must be a Registry of prom-client');
  if (!Array.isArray(types) || types.some((type: unknown) => typeof type !== 'string'))
    throw new TypeError('types must be a list of job types');
  const labels = labelsOf(types);
  const watched: Watched = { view: undefined };
  const retries = retryMetrics(registry);
  const jobs = jobMetrics(registry, labels, retries);
  const handlers: Handlers = {
    ...jobs,
    ...comfyuiMetrics(registry, labels, watched, retries),
    ...storeMetrics(registry, watched),
    ...liveMetrics(registry, retries),
    opened: ({ pipeline }) => {
      watched.view = pipeline;
    },
    closed: (event) => {
      watched.view = undefined;
      jobs.closed(event);
    },
  };
  return {
    registry,
    telemetry: (event: MetricsEvent) => (handlers[event.tag] as (event: MetricsEvent) => void)(event),
  };
}
