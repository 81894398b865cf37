import { MEASURED_TRUST, varies, type Expected } from '../plan/expected';
import type { NodeRun } from './node-run';

/** Past what was expected, so many of those seen again are. */
const AGAIN = 0.5;

/** Where rounds are only guessed, the last eighth of them tells no end either. */
const LAST = 1 / 8;

/**
 * Rounds after this one: as many as it took last time, or as its class is known for, and a reserve by how much that varied,
 * since what was shown is not taken back; past that, half as many as were seen.
 */
export function roundsToCome(node: NodeRun, { rounds, trust, roundsSpread = 0 }: Expected): number {
  const again = AGAIN * node.rounds;
  if (rounds <= 1 && trust <= MEASURED_TRUST) return again;
  const ahead = rounds - (node.rounds + 1);
  const reserve = Math.min(AGAIN, roundsSpread) * rounds;
  const soft = (ahead + Math.sqrt(ahead * ahead + 4 * reserve * reserve)) / 2;
  const isPast = ahead < (trust < MEASURED_TRUST ? rounds * LAST : 0);
  return isPast ? Math.max(soft, again) : soft;
}

/**
 * Whether nobody knows how many rounds are still to come: they varied, or it counts again, and was not measured to, or not
 * so often. At the end of each nobody knows whether it was the last.
 */
export function isOpen(node: NodeRun, expected: Expected): boolean {
  if (varies(expected)) return true;
  if (node.rounds > 0 && (expected.trust < MEASURED_TRUST || node.rounds >= expected.rounds)) return true;
  return node.value >= node.max && node.rounds + 1 < expected.rounds;
}
