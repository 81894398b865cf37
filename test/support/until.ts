import { setTimeout as sleep } from 'node:timers/promises';

/** For what must come, on a machine that is busy with much else. No test measures with it. */
export const PATIENCE_MS = 90_000;

/**
 * Resolves as soon as `holds` does: gives anything but `false`, and throws nothing, as expectations do that are not met
 * yet. Rejects with what it last threw once patience is at an end.
 */
export async function until(holds: () => unknown): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    let complaint: unknown = new Error(`waited in vain for ${holds.toString()}`);
    try {
      if ((await holds()) !== false) return;
    } catch (error) {
      complaint = error;
    }
    if (performance.now() > end) throw complaint;
    await sleep(5);
  }
}
