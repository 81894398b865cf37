import { bounds } from '../../../bounds';
import { paceNow } from './counted';
import { hasCounted, skipped, type NodeRun } from './node-run';
import { MEASURED_TRUST, sureOf, sureShare, totalMs, type Expected } from '../plan/expected';
import { planNodeOf, type RunClock } from '../run-clock';
import { unknown } from '../plan/priors';
import type { Corrections } from '../this-run';
import { expectedOfPhase, isUnknownPhase } from './phases';
import { isOpen, roundsToCome } from './rounds';

/** The time left of a run, or of a node. */
export interface TimeLeft {
  readonly ms: number;
  /** The part of `ms` that is known by measurements in this run or earlier ones. */
  readonly sureMs: number;
  /** The time to the next news that is expected, a step or the end of a node, ms. */
  readonly newsMs: number;
}

/** The share of the time left that must be known for an `etaMs`. */
const SURE = 0.6;
/** Whether a time left may be told. 0 may not: a run that goes on has time left. */
export const isSureOf = ({ ms, sureMs }: Pick<TimeLeft, 'ms' | 'sureMs'>): boolean => ms > 0 && sureMs >= SURE * ms;

/** The usual deviation from an expected time, as a share of it: small for a measured time, large for a guess. */
export const spread = (trust: number): number => 0.12 + 0.3 * (1 - trust);
/** The same for the steps left of a round, and for a single one. */
const STEPS_SPREAD = 0.1;
const STEP_SPREAD = 0.3;
/** A ComfyUI with snapshots (`progress_state`) sends them this far apart at least, ms. */
const SNAPSHOT_MS = 100;
/** A step that takes this many times the usual gap is overdue: it may have been missed. */
const OVERDUE = 1.2;

/** A time of 0 to 365 days, whatever numbers a node counts to. */
export const bounded = (ms: number): number => (ms > 0 ? Math.min(ms, 365 * 86_400_000) : 0);

/** The time left of a node at work. */
export function nodeLeft(run: RunClock, id: string, node: NodeRun, at: number, corrections: Corrections): TimeLeft {
  const declared = planNodeOf(run, id, node)?.steps;
  const expected = expectedOfPhase(node, declared);
  const factor = factorOf(run, id, node.expected, corrections);
  if (hasCounted(node)) {
    const otherMs = otherPace(run, id, node);
    const spaceMs = spaceOf(run);
    const { unheardSince = at } = run;
    const known = { otherMs, spaceMs, declared, listenedTo: unheardSince };
    const ms = bounded(countingLeftMs(node, expected, factor, at, known));
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

/** The factor that corrects a node's expected time. */
function factorOf({ plan }: RunClock, id: string, { trust, stepMs }: Expected, corrections: Corrections): number {
  if (trust > 0) return corrections.known;
  const node = stepMs > 0 ? undefined : plan.nodes.get(id);
  return node === undefined ? corrections.slowness : corrections.silent(node.type, node.prior);
}

/** The least time between two steps that are told, ms. */
export const spaceOf = ({ snapshots }: RunClock): number => (snapshots ? SNAPSHOT_MS : bounds.frameSpaceMs);

/** The time between two steps that are told; quick steps come several at a time. */
const gapOf = (paceMs: number, spaceMs: number): number =>
  paceMs > 0 ? paceMs * Math.max(1, Math.ceil(spaceMs / paceMs - 0.1)) : 0;

/** The time until the next step is told, ms; ∞ once it is overdue. */
function nextStepMs({ max, toldMs }: NodeRun, spaceMs: number, paceMs: number, since: number): number {
  // A node that counts to 1 tells shares of it, such as 0.5.
  const gapMs = max <= 1 ? toldMs || SNAPSHOT_MS : gapOf(paceMs, spaceMs);
  return since > OVERDUE * gapMs ? Infinity : Math.max(0, gapMs - since);
}

/**
 * A node may load for as long as this many steps of another node of its class; past that its own steps must be slower.
 */
const LOADING_STEPS = 20;
/** If a node's first step took this many times another's of its class, it may have loaded, or have slower steps. */
const SLOWER = 3;

/**
 * The time left of a node without a step yet: to its first one, and the steps after it. If its pace is not known, the
 * longer the first step takes, the longer the others are expected to take.
 */
function beforeFirstStepMs(run: RunClock, id: string, node: NodeRun, factor: number, at: number): number {
  const { expected, startedAt } = node;
  const { fixedMs, steps, rounds, trust, afterMs = 0 } = expected;
  const pace = trust > 0 ? undefined : paceOfClass(run, id, node);
  const stepMs = pace ?? expected.stepMs * factor;
  const elapsed = at - startedAt;
  const all = steps * rounds;
  const allMs = fixedMs * factor + stepMs * all + afterMs * factor;
  const { steps: declared, prior } = planNodeOf(run, id, node) ?? {};
  const mayBeSilent = trust < MEASURED_TRUST && declared === undefined && prior?.stepMs === undefined;
  if (stepMs === 0 || all <= 1 || mayBeSilent)
    return Math.max(overdueMs(allMs, elapsed, trust), trust === 0 && prior === unknown ? elapsed : 0);
  const firstMs = fixedMs * factor + stepMs;
  const isKnown = trust > 0 || (pace !== undefined && elapsed < firstMs + LOADING_STEPS * stepMs);
  const laterMs = isKnown ? stepMs : Math.max(stepMs, elapsed);
  return silentMs(firstMs, elapsed, spread(trust)) + laterMs * (all - 1) + afterMs * factor;
}

/** The pace of the node's class in this run, for the size of what this node works on. */
function paceOfClass(run: RunClock, id: string, node: NodeRun): number | undefined {
  const planned = planNodeOf(run, id, node);
  const paceMs = planned === undefined ? undefined : run.paces.get(planned.type);
  return planned === undefined || paceMs === undefined ? undefined : paceMs * planned.size;
}

/** The same for a node with no pace and no measurement of its own. */
const otherPace = (run: RunClock, id: string, node: NodeRun): number | undefined =>
  node.first !== undefined || node.expected.trust > 0 || node.paceMs > 0 ? undefined : paceOfClass(run, id, node);

/** What is known of a node's steps besides those it made. */
interface Steps {
  /** The pace of other nodes of its class, ms. */
  readonly otherMs?: number | undefined;
  /** The least time between two steps that are told, ms. */
  readonly spaceMs: number;
  /** The steps that it declares. */
  readonly declared?: number | undefined;
  /** Until when its frames could come; earlier than now while the socket is away. */
  readonly listenedTo: number;
}

/**
 * If a node's first steps took so much less than guessed, it has not made them: it goes on from an earlier run's state,
 * as a training may, or nobody heard it make them. A guess of the next one then holds until that is late.
 */
const RESUMED = 20;

/** The time left of a node that has counted, ms. */
export function countingLeftMs(
  node: NodeRun,
  expected: Expected,
  factor: number,
  at: number,
  { otherMs, spaceMs, declared, listenedTo }: Steps,
): number {
  const steps = stepsLeft(node, expected, declared);
  const since = at - node.steppedAt;
  const waited = { ms: Math.max(0, listenedTo - Math.max(node.steppedAt, node.heardFrom ?? 0)), spaceMs };
  const paceMs = paceOf(node, expected, factor, otherMs, waited);
  const isRegular = steps > 1 || node.turn !== undefined;
  const roundLeft = silentMs(paceMs * steps, since, isRegular ? STEPS_SPREAD : STEP_SPREAD);
  const toCome = node.firstMax === undefined ? roundsToCome(node, expected) * roundMs(node, expected, paceMs) : 0;
  const afterMs = (expected.afterMs ?? 0) * factor;
  if (steps > 0 || toCome > 0) return roundLeft + toCome + afterMs;
  return Math.max(roundLeft, overdueMs(afterMs, since, expected.trust));
}

/**
 * The time of a round to come. Where it is only guessed how many those are, the time before the first counts as theirs,
 * too, in reserve: the bar cannot go back.
 */
function roundMs(
  { rounds, max, roundMs: meanMs, roundAt, phaseAt }: NodeRun,
  { trust }: Expected,
  paceMs: number,
): number {
  if (rounds === 0) return max * paceMs;
  return trust < MEASURED_TRUST ? (roundAt - phaseAt) / rounds : meanMs;
}

/**
 * The steps to the end of the round. If `max` has grown, as many are expected as in earlier runs, else as were made. A node that goes on in the midst
 * is expected to make the steps that it declares, if those are fewer; one that ended early in earlier runs, to end as
 * early, or soon.
 */
function stepsLeft(node: NodeRun, { rounds, trust }: Expected, declared = Infinity): number {
  const { value, max, firstMax } = node;
  const toMax = Math.max(0, max - value);
  if (firstMax !== undefined)
    return max < firstMax ? toMax : Math.max(toMax, trust < MEASURED_TRUST ? value : rounds * firstMax - value);
  const made = value - skipped(node);
  if (made < value && made < declared && declared < max) return Math.min(toMax, declared - made);
  if (rounds >= 1 || trust < MEASURED_TRUST) return toMax;
  return Math.min(toMax, Math.max(rounds * max - made, 0.1 * made));
}

/** The share of its time by which a measured node may be late; a late loop is expected to go on for this share, too. */
const LATE_SHARE = 0.5;

/** The time left of a node without steps. One that took twice its guessed time is expected to take as long again. */
function overdueMs(expectedMs: number, elapsedMs: number, trust: number): number {
  const again = Math.min(elapsedMs, 2 * (elapsedMs - (1 + LATE_SHARE * trust) * expectedMs));
  return Math.max(silentMs(expectedMs, elapsedMs, spread(trust)), again);
}

/**
 * The time left of something that is silent. It falls, ever more slowly as `expectedMs` comes near, and never to 0;
 * past `expectedMs` it grows again with the time taken.
 */
export function silentMs(expectedMs: number, elapsedMs: number, share: number): number {
  const ahead = expectedMs - elapsedMs;
  const least = share * expectedMs;
  const soft = (ahead + Math.sqrt(ahead * ahead + 4 * least * least)) / 2;
  return Math.max(soft, elapsedMs > expectedMs ? share * elapsedMs : 0);
}

/**
 * The time of a step: the seen pace, mixed with the expected one while few steps were seen. `waited`: how long no step
 * was told, and how far apart steps are told at least, ms.
 */
function paceOf(
  node: NodeRun,
  expected: Expected,
  factor: number,
  otherMs: number | undefined,
  waited = { ms: 0, spaceMs: 0 },
): number {
  const seen = node.value - node.firstValue + node.rounds * node.max;
  const perStep = expected.steps / (node.firstMax ?? node.max);
  const wanted = otherMs ?? expected.stepMs * factor * perStep;
  if (node.paceMs > 0) {
    const doubt = wanted > 0 ? 1.5 * (otherMs === undefined ? expected.trust : 0.3) : 0;
    const paceMs = (paceNow(node) * seen + wanted * doubt) / (seen + doubt);
    // An overdue step counts as a long one, with the time so far; less the time of steps made and not told meanwhile.
    const since = waited.ms - (gapOf(paceMs, waited.spaceMs) - paceMs);
    return since > paceMs && node.max > 1 ? (paceMs * Math.max(1, seen) + since) / (Math.max(1, seen) + 1) : paceMs;
  }
  // The first step's time includes loading before it, which is not known apart: too long rather than too short, as the
  // bar cannot go back, until the second step comes.
  const firstMs = (node.firstAt - node.phaseAt) / (node.firstValue || 1);
  const longestMs = (ms: number): number => (node.max > 1 ? Math.max(ms, waited.ms) : ms);
  if (node.firstValue > 1 && firstMs < wanted / RESUMED) return expected.trust > 0 ? wanted : longestMs(wanted);
  if (wanted > 0 && (expected.trust > 0 || (otherMs !== undefined && firstMs < SLOWER * wanted))) return wanted;
  return longestMs(firstMs);
}
