/** Bytes in use, all that can go collected. Needs --expose-gc. */
export function heap(): number {
  if (globalThis.gc === undefined) throw new Error('run node with --expose-gc');
  for (let times = 0; times < 3; times += 1) globalThis.gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** The same, once what takes its time to go has had it. */
export async function settledHeap(quietMs: number): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, quietMs));
  return heap();
}

export const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
