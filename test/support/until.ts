import { setTimeout as sleep } from 'node:timers/promises';

/** For what must come, on a machine that is busy with much else. No test measures with it. */
export const PATIENCE_MS = 90_000;

/** Looks again soon where it has not waited long, and an eighth of that later where it has: looking costs what is waited for. */
const pauseMs = (waitedMs: number): number => Math.min(Math.max(waitedMs / 8, 10), 100);

/** Resolves as soon as the condition holds; rejects once patience is at an end, or with what the condition throws. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const start = performance.now();
  while (!(await condition())) {
    const waitedMs = performance.now() - start;
    if (waitedMs > PATIENCE_MS) throw new Error(`waited in vain for ${condition.toString()}`);
    await sleep(pauseMs(waitedMs));
  }
}

/** Resolves as soon as the expectation throws no more; rejects with what it last threw once patience is at an end. */
export async function eventually(expectation: () => void | Promise<void>): Promise<void> {
  const start = performance.now();
  for (;;) {
    try {
      await expectation();
      return;
    } catch (error) {
      const waitedMs = performance.now() - start;
      if (waitedMs > PATIENCE_MS) throw error;
      await sleep(pauseMs(waitedMs));
    }
  }
}
