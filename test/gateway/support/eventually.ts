import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until an expectation holds; throws what it last said after `withinMs`. `look` comes before each try. */
export async function eventually(
  expectation: () => void,
  withinMs = 10_000,
  look: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const end = performance.now() + withinMs;
  for (;;) {
    await look();
    try {
      expectation();
      return;
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(10);
    }
  }
}
