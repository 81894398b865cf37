import { signal } from '@preact/signals';

/** This machine's time, ms since 1970, updated every second. */
export const now = signal(Date.now());

setInterval(() => (now.value = Date.now()), 1000);
