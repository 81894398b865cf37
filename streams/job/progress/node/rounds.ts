import { MEASURED_TRUST, varies, type Expected } from '../plan/expected';
import type { NodeRun } from './node-run';

/** Past the expected rounds, this share of those made is expected to follow. */
const AGAIN = 0.5;

/** If rounds are only guessed, the last eighth of them counts as past them, too. */
const LAST = 1 / 8;

/**
 * The rounds after the present one: as many as in earlier runs, or as usual for the node's class, with a reserve by how
 * much that varied, as the bar cannot go back; past that, half as many as were made.
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
 * Whether it is not known how many rounds are to come: they varied from run to run, or the node counts again though no
 * measured run had as many rounds; also at the end of a round, which may be the last.
 */
export function isOpen(node: NodeRun, expected: Expected): boolean {
  if (varies(expected)) return true;
  if (node.rounds > 0 && (expected.trust < MEASURED_TRUST || node.rounds >= expected.rounds)) return true;
  return node.value >= node.max && node.firstMax === undefined && node.rounds + 1 < expected.rounds;
}
