/**
 * A caller's own function that is told of something. What it throws, or rejects with, is its own mistake and ends nothing here
 * (R15): Node warns of the first.
 */
export function harmless<A extends readonly unknown[]>(
  name: string,
  told: (...given: A) => unknown,
): (...given: A) => void {
  let isWarned = false;
  const warn = (error: unknown): void => {
    if (isWarned) return;
    isWarned = true;
    process.emitWarning(`${name} threw, which changes nothing here: ${wordsOf(error)}`, 'ComfyUIJobstreamWarning');
  };
  return (...given) => {
    try {
      const answer: unknown = told(...given);
      if (answer instanceof Promise) answer.catch(warn);
    } catch (error) {
      warn(error);
    }
  };
}

/** What was thrown, in words, whatever it is: an object without a prototype has none of its own. */
function wordsOf(error: unknown): string {
  try {
    return String(error);
  } catch {
    return typeof error;
  }
}
