import type { ReadonlySignal } from '@preact/signals';

/** Has the view that calls this drawn anew whenever one of these changes, whatever it reads besides. */
export const drawnBy = (...changing: readonly ReadonlySignal<unknown>[]): void =>
  changing.forEach((signal) => signal.value);
