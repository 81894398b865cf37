import { totalMs, type Expected } from './plan/expected';

/** Nodes of one class that are still to come: of those measured before, what they take; of the others, what is guessed. */
export interface ClassToCome {
  readonly knownMs: number;
  readonly guessedFixedMs: number;
  readonly guessedSteppingMs: number;
  /** Steps of the guessed ones, in all their rounds. */
  readonly guessedSteps: number;
}

const nothing: ClassToCome = { knownMs: 0, guessedFixedMs: 0, guessedSteppingMs: 0, guessedSteps: 0 };

/** So many classes have a sum of their own, since each frame adds them up; the rest share one. */
const MOST_CLASSES = 64;
const OTHERS = '';

/** Adds a node to its class's sum, or takes it out. */
export function addNode(sums: Map<string, ClassToCome>, type: string, expected: Expected, sign: 1 | -1): void {
  const key = sums.has(type) || sums.size < MOST_CLASSES ? type : OTHERS;
  const sum = sums.get(key) ?? nothing;
  if (expected.trust > 0) {
    sums.set(key, { ...sum, knownMs: sum.knownMs + sign * expected.alone * totalMs(expected) });
    return;
  }
  const steps = expected.stepMs > 0 ? expected.steps * expected.rounds : 0;
  sums.set(key, {
    knownMs: sum.knownMs,
    guessedFixedMs: sum.guessedFixedMs + sign * expected.fixedMs,
    guessedSteppingMs: sum.guessedSteppingMs + sign * expected.stepMs * steps,
    guessedSteps: sum.guessedSteps + sign * steps,
  });
}
