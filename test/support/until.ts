import { setTimeout as sleep } from 'node:timers/promises';

/** For what must come, on a machine that is busy with much else. No test measures with it. */
export const PATIENCE_MS = 90_000;

/** Resolves as soon as the condition holds; rejects once patience is at an end, or with what the condition throws. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited in vain for ${condition.toString()}`);
    await sleep(5);
  }
}

/** Resolves as soon as the expectation throws no more; rejects with what it last threw once patience is at an end. */
export async function eventually(expectation: () => void | Promise<void>): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      await expectation();
      return;
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(5);
    }
  }
}
