import type { PipelineView } from '../../../pipeline/telemetry/telemetry-event';
import { boundedLabel, knownLabel } from './bounded-label';

/** Labels whose values come from outside, each with a bound. */
export interface Labels {
  readonly type: (type: string) => string;
  readonly server: (name: string) => string;
}

export const KNOWN_TYPES = ['image_generation', 'lora_training', 'face_swap', 'character_sheet'] as const;
/** Servers told apart, and types: the 51st is `other`. */
const MOST = 50;

export const labelsOf = (types: readonly string[]): Labels => ({
  type: knownLabel([...KNOWN_TYPES, ...types].slice(0, MOST)),
  server: boundedLabel(MOST),
});

/** The pipeline that is watched, once it has opened. */
export interface Watched {
  view: PipelineView | undefined;
}
