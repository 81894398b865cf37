import type { PipelineView } from '../../../pipeline/telemetry/telemetry-event';
import { OTHER, boundedLabel, knownLabel } from './bounded-label';

/** Labels whose values come from outside, each with a bound. */
export interface Labels {
  readonly type: (type: string) => string;
  /** Every value that `type` gives. */
  readonly types: readonly string[];
  readonly server: (name: string) => string;
}

const KNOWN_TYPES = ['image_generation', 'lora_training', 'face_swap', 'character_sheet'] as const;
/** How many servers, and how many types, are told apart; all others are `other`. */
const MOST = 50;

export function labelsOf(more: readonly string[]): Labels {
  const types = [...new Set([...KNOWN_TYPES, ...more])].slice(0, MOST);
  return { type: knownLabel(types), types: [...types, OTHER], server: boundedLabel(MOST) };
}

/** The pipeline whose metrics these are; `undefined` before it opened and after it closed. */
export interface Watched {
  view: PipelineView | undefined;
}
