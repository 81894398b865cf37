import type { TelemetryEvent } from '../../pipeline/telemetry/telemetry-event';
import type { GatewayEvent } from './gateway-event';

export type MetricsEvent = TelemetryEvent | GatewayEvent;

/** A function for each kind of event. */
export type Handlers<Tags extends MetricsEvent['tag'] = MetricsEvent['tag']> = {
  readonly [Tag in Tags]: (event: Extract<MetricsEvent, { readonly tag: Tag }>) => void;
};
