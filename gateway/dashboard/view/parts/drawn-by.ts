import type { ReadonlySignal } from '@preact/signals';

/** Redraws the calling view whenever one of these signals changes, even if the view reads none of them. */
export const drawnBy = (...changing: readonly ReadonlySignal<unknown>[]): void =>
  changing.forEach((signal) => signal.value);
