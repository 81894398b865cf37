import type { Trouble } from '../faults/troubles';
import type { Ending } from './truth';

/** How long after an outage the service may take to ask again. */
export const ASKS_WITHIN_MS = 15_000;

/** Whether a run ended in an outage after which its ComfyUI was restarted before the service had to have asked. */
export function isForgotten(ending: Ending | undefined, happened: readonly Trouble[]): boolean {
  if (ending === undefined) return false;
  const restart = happened.find(
    ({ what, struck, from }) => what === 'ComfyUI restart' && struck.includes(ending.order) && from >= ending.at - 100,
  );
  if (restart === undefined) return false;
  return happened.some(
    ({ server = restart.server, from, to }) =>
      server === restart.server &&
      from <= ending.at &&
      ending.at <= to + ASKS_WITHIN_MS &&
      from < restart.from &&
      to + ASKS_WITHIN_MS >= restart.from,
  );
}
