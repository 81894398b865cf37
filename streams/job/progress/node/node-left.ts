import { bounds } from '../../../bounds';
import { paceNow } from './counted';
import { hasCounted, type NodeRun } from './node-run';
import { MEASURED_TRUST, sureOf, sureShare, totalMs, type Expected } from '../plan/expected';
import { planNodeOf, type RunClock } from '../run-clock';
import type { Corrections } from '../this-run';
import { expectedOfPhase, isUnknownPhase } from './phases';
import { isOpen, roundsToCome } from './rounds';

/** What is left of a run, or of a node. */
export interface TimeLeft {
  readonly ms: number;
  /** Of that, what is known from this very run, or from earlier ones. */
  readonly sureMs: number;
  /** When the next news is expected: a step, or the end of a node. */
  readonly newsMs: number;
}

/** Of what is left, so much must be known for it to be told. */
const SURE = 0.6;
/** Whether what is left means something. That nothing is left is known of no run that goes on. */
export const isSureOf = ({ ms, sureMs }: Pick<TimeLeft, 'ms' | 'sureMs'>): boolean => ms > 0 && sureMs >= SURE * ms;

/** How far something may be past what was expected before that shows: what was measured a little, a guess a lot. */
export const spread = (trust: number): number => 0.12 + 0.3 * (1 - trust);
/** Steps come regularly; a single one may be late. */
const STEPS_SPREAD = 0.1;
const STEP_SPREAD = 0.3;
/** ComfyUI tells steps no more often than this, where it tells them by snapshots. */
const SNAPSHOT_MS = 100;
/** A step that is late by this factor may have been missed. */
const OVERDUE = 1.2;

/** Nothing takes longer than a year, whatever numbers a node counts to. */
export const bounded = (ms: number): number => (ms > 0 ? Math.min(ms, 365 * 86_400_000) : 0);

/** What is left of a node at work. */
export function nodeLeft(run: RunClock, id: string, node: NodeRun, at: number, corrections: Corrections): TimeLeft {
  const expected = expectedOfPhase(node);
  const factor = factorOf(run, id, node.expected, corrections);
  if (hasCounted(node)) {
    const otherMs = otherPace(run, id, node);
    const spaceMs = spaceOf(run);
    const { unheardSince = at } = run;
    const ms = bounded(countingLeftMs(node, expected, factor, at, { otherMs, spaceMs, listenedTo: unheardSince }));
    const paceMs = paceOf(node, expected, factor, otherMs);
    const newsMs = Math.min(ms, nextStepMs(node, spaceMs, paceMs, at - node.steppedAt));
    const share = node.paceMs > 0 ? 1 : sureShare(expected.trust);
    return { ms, sureMs: isOpen(node, expected) || isUnknownPhase(node) ? 0 : share * ms, newsMs };
  }
  const elapsed = at - node.startedAt;
  const isPast = node.makes === true && elapsed > factor * totalMs(expected);
  const ms = bounded(
    Math.max(isPast ? LATE_SHARE * elapsed : 0, beforeFirstStepMs(run, id, { ...node, expected }, factor, at)),
  );
  const stepMs = expected.steps > 1 ? expected.stepMs * factor : SNAPSHOT_MS;
  const firstMs = Math.max(0, expected.fixedMs * factor + stepMs - (at - node.startedAt));
  const newsMs = expected.stepMs > 0 ? Math.min(ms, firstMs) : ms;
  return {
    ms,
    sureMs: isPast ? 0 : sureOf(expected) * ms,
    newsMs: expected.trust > 0 && !isPast ? newsMs : Math.min(newsMs, 0.1 * ms),
  };
}

/** By which factor what was expected is corrected. */
function factorOf({ plan }: RunClock, id: string, { trust, stepMs }: Expected, corrections: Corrections): number {
  if (trust > 0) return corrections.known;
  const node = stepMs > 0 ? undefined : plan.nodes.get(id);
  return node === undefined ? corrections.slowness : corrections.silent(node.type, node.prior);
}

/** How often steps are told at most. */
export const spaceOf = ({ snapshots }: RunClock): number => (snapshots ? SNAPSHOT_MS : bounds.frameSpaceMs);

/** Between two steps that are told. Quick ones come several at a time. */
const gapOf = (paceMs: number, spaceMs: number): number =>
  paceMs > 0 ? paceMs * Math.max(1, Math.ceil(spaceMs / paceMs - 0.1)) : 0;

/** When the next step is told; nobody knows once it is overdue. */
function nextStepMs({ max, toldMs }: NodeRun, spaceMs: number, paceMs: number, since: number): number {
  // A node that counts to one tells shares of it.
  const gapMs = max <= 1 ? toldMs || SNAPSHOT_MS : gapOf(paceMs, spaceMs);
  return since > OVERDUE * gapMs ? Infinity : Math.max(0, gapMs - since);
}

/** A node loads for as long as so many steps of another of its class; one that is silent for longer has slower steps. */
const LOADING_STEPS = 20;
/** One whose first step took so many times theirs may have loaded before it, or have slower steps: the second tells. */
const SLOWER = 3;

/** Of a node that has not counted yet: what is left to its first step, and the steps after it. The longer that one takes, the longer they will. */
function beforeFirstStepMs(run: RunClock, id: string, node: NodeRun, factor: number, at: number): number {
  const { expected, startedAt } = node;
  const { fixedMs, steps, rounds, trust, afterMs = 0 } = expected;
  const pace = trust > 0 ? undefined : paceOfClass(run, id, node);
  const stepMs = pace ?? expected.stepMs * factor;
  const elapsed = at - startedAt;
  const all = steps * rounds;
  if (stepMs === 0 || all <= 1) return overdueMs(fixedMs * factor + stepMs * all + afterMs * factor, elapsed, trust);
  const firstMs = fixedMs * factor + stepMs;
  const isKnown = trust > 0 || (pace !== undefined && elapsed < firstMs + LOADING_STEPS * stepMs);
  const laterMs = isKnown ? stepMs : Math.max(stepMs, elapsed);
  return silentMs(firstMs, elapsed, spread(trust)) + laterMs * (all - 1) + afterMs * factor;
}

/** The pace of its class in this run, for what it works on. */
function paceOfClass(run: RunClock, id: string, node: NodeRun): number | undefined {
  const planned = planNodeOf(run, id, node);
  const paceMs = planned === undefined ? undefined : run.paces.get(planned.type);
  return planned === undefined || paceMs === undefined ? undefined : paceMs * planned.size;
}

/** The pace of other nodes of its class in this run. */
const otherPace = (run: RunClock, id: string, node: NodeRun): number | undefined =>
  node.first !== undefined || node.expected.trust > 0 || node.paceMs > 0 ? undefined : paceOfClass(run, id, node);

/** What is known of a node's steps beside those it made: the pace of others of its class, how often they are told, and until when they were listened to. */
interface Steps {
  readonly otherMs?: number | undefined;
  readonly spaceMs: number;
  readonly listenedTo: number;
}

/** What is left of a node that has counted. */
export function countingLeftMs(
  node: NodeRun,
  expected: Expected,
  factor: number,
  at: number,
  { otherMs, spaceMs, listenedTo }: Steps,
): number {
  const steps = stepsLeft(node, expected);
  const since = at - node.steppedAt;
  const waited = { ms: Math.max(0, listenedTo - Math.max(node.steppedAt, node.heardFrom ?? 0)), spaceMs };
  const paceMs = paceOf(node, expected, factor, otherMs, waited);
  const isRegular = steps > 1 || node.turn !== undefined;
  const roundLeft = silentMs(paceMs * steps, since, isRegular ? STEPS_SPREAD : STEP_SPREAD);
  const roundMs = node.rounds > 0 ? (node.roundAt - node.phaseAt) / node.rounds : node.max * paceMs;
  const toCome = roundsToCome(node, expected) * roundMs;
  const afterMs = (expected.afterMs ?? 0) * factor;
  if (steps > 0 || toCome > 0) return roundLeft + toCome + afterMs;
  return Math.max(roundLeft, overdueMs(afterMs, since, expected.trust));
}

/** Steps to the end of the round. One that ended early before does again, or soon; where the end itself moves on, as many come as have. */
function stepsLeft({ value, max, grows }: NodeRun, { rounds, trust }: Expected): number {
  const toMax = Math.max(0, max - value);
  if (grows === true) return Math.max(toMax, value);
  if (rounds >= 1 || trust < MEASURED_TRUST) return toMax;
  return Math.min(toMax, Math.max(rounds * max - value, 0.1 * value));
}

/** A measured node is late only after half as long again; a loop that is late is expected to go on for half as long as it took. */
const LATE_SHARE = 0.5;

/** What is left of a node that is silent to its end. One that took twice what was guessed is expected to take as long again. */
function overdueMs(expectedMs: number, elapsedMs: number, trust: number): number {
  const again = Math.min(elapsedMs, 2 * (elapsedMs - (1 + LATE_SHARE * trust) * expectedMs));
  return Math.max(silentMs(expectedMs, elapsedMs, spread(trust)), again);
}

/** What is left of something that is silent: less and less, but never nothing; the longer past its time, the longer still. */
export function silentMs(expectedMs: number, elapsedMs: number, share: number): number {
  const ahead = expectedMs - elapsedMs;
  const least = share * expectedMs;
  const soft = (ahead + Math.sqrt(ahead * ahead + 4 * least * least)) / 2;
  return Math.max(soft, elapsedMs > expectedMs ? share * elapsedMs : 0);
}

/** A step's time: what was seen, and what was expected while little was. `waited`: for so long none was told, of those told so often. */
function paceOf(
  node: NodeRun,
  expected: Expected,
  factor: number,
  otherMs: number | undefined,
  waited = { ms: 0, spaceMs: 0 },
): number {
  const seen = node.value - node.firstValue + node.rounds * node.max;
  const perStep = expected.steps / node.max;
  const wanted = otherMs ?? expected.stepMs * factor * perStep;
  if (node.paceMs > 0) {
    const doubt = wanted > 0 ? 1.5 * (otherMs === undefined ? expected.trust : 0.3) : 0;
    const paceMs = (paceNow(node) * seen + wanted * doubt) / (seen + doubt);
    // A step that is overdue is a long one, seen in part; those that were made with it, untold, are not.
    const since = waited.ms - (gapOf(paceMs, waited.spaceMs) - paceMs);
    return since > paceMs && node.max > 1 ? (paceMs * Math.max(1, seen) + since) / (Math.max(1, seen) + 1) : paceMs;
  }
  // The first step holds what came before it, nobody knows how much: rather too long than too short, until the second tells.
  const firstMs = (node.firstAt - node.phaseAt) / (node.firstValue || 1);
  if (wanted > 0 && (expected.trust > 0 || (otherMs !== undefined && firstMs < SLOWER * wanted))) return wanted;
  return node.max > 1 ? Math.max(firstMs, waited.ms) : firstMs;
}
