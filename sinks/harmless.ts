/**
 * Wraps a callback that the caller gave, such as `report`. If it throws or rejects, nothing here ends (R15): Node
 * prints a warning the first time. Throws a `TypeError` if it is no function.
 */
export function harmless<A extends readonly unknown[]>(
  name: string,
  told: (...given: A) => unknown,
): (...given: A) => void {
  if (typeof (told as unknown) !== 'function') throw new TypeError(`${name} must be a function`);
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

/** What was thrown, as text; only its type if `String` throws, as for an object without a prototype. */
function wordsOf(error: unknown): string {
  try {
    return String(error);
  } catch {
    return typeof error;
  }
}
