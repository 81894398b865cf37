import { signal } from '@preact/signals';

/** This machine's time, by the second. */
export const now = signal(Date.now());

setInterval(() => (now.value = Date.now()), 1000);
