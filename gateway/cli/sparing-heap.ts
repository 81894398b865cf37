import { setFlagsFromString } from 'node:v8';

/**
 * V8 lets a heap of 60 MB grow to four times its size before it looks for garbage. Here it grows by half: small instances
 * share their machines, and what a burst of large bodies left behind is not to be held for long.
 */
export const sparingHeap = (): void => setFlagsFromString('--heap-growing-percent=50');
