import { byName, type Expected } from '../plan/expected';
import type { PlanNode } from '../plan/plan';
import { unknown } from '../plan/priors';
import { within } from '../this-run';
import { longestBar, type Loading, type Taken } from './measured';

/** How many times longer than guessed by their names a server's nodes take: those without steps, and each step. */
export interface Speed {
  readonly silent: number;
  readonly step: number;
}

/** What runs told of a server's speed: for both kinds the mean logarithm of took ÷ guessed, and of how many nodes. */
export interface SpeedTold {
  readonly silent: Mean;
  readonly step: Mean;
}

interface Mean {
  readonly log: number;
  readonly count: number;
}

const nothing: Mean = { log: 0, count: 0 };
export const nothingTold: SpeedTold = { silent: nothing, step: nothing };

/** How many nodes "as guessed" are added to those that told. */
const DOUBT = 2;
const factor = ({ log, count }: Mean): number => Math.exp((log * count) / (count + DOUBT));

export const speedOf = ({ silent, step }: SpeedTold = nothingTold): Speed => ({
  silent: factor(silent),
  step: factor(step),
});

/** Nodes that were guessed to be quicker, or were, say nothing, ms. */
const QUICK_MS = { guessed: 300, took: 20 };
/** The most that one node may say: a factor of ten. */
const MOST_LOG = Math.log(10);
/** Past this many nodes the older ones count less and less. */
const MOST_COUNT = 100;

/** Whether a node's time says nothing of the server's speed: it is another service's, or was guessed from nothing. */
const saysNothing = ({ prior }: PlanNode): boolean => prior.isApart === true || prior === unknown;

/** What is told with one more node of a run. */
export function withNode(before: SpeedTold, node: PlanNode, taken: Taken): SpeedTold {
  if (saysNothing(node)) return before;
  const guess = byName(node);
  const { stepMs, besideMs: tookMs } = longestBar(taken);
  if (stepMs > 0) return guess.stepMs > 0 ? { ...before, step: withOne(before.step, stepMs / guess.stepMs) } : before;
  if (guess.stepMs > 0 || guess.fixedMs < QUICK_MS.guessed || tookMs < QUICK_MS.took) return before;
  return { ...before, silent: withOne(before.silent, tookMs / guess.fixedMs) };
}

function withOne({ log, count }: Mean, ratio: number): Mean {
  const next = Math.min(MOST_COUNT, count + 1);
  return { log: log + (within(MOST_LOG, Math.log(ratio)) - log) / next, count: next };
}

/** What is guessed of a node by its name, on a server of this speed. */
export function guessAt({ silent, step }: Speed, node: PlanNode): Expected {
  const guess = byName(node);
  if (saysNothing(node)) return guess;
  return { ...guess, fixedMs: guess.fixedMs * silent, stepMs: guess.stepMs * step };
}

/** How much of what a node takes is guessed to be loading, on a server of this speed. */
export function loadingAt({ silent }: Speed, { prior, usesModel }: PlanNode): Loading {
  if (prior === unknown || (!usesModel && prior.loadsItself !== true)) return { ms: 0, share: 0 };
  const share = prior.stepMs === undefined ? (prior.loading ?? LOADING) : 1;
  return { ms: silent * prior.fixedMs * share, share };
}

/** The share of loading in what is guessed of a node that tells no steps. */
const LOADING = 1 / 4;

/** Four decimals, towards 0: the greatest logarithm stays within its bound. */
const short = (value: number): number => Math.trunc(value * 1e4) / 1e4;

export const speedToText = ({ silent, step }: SpeedTold): string =>
  JSON.stringify([short(silent.log), silent.count, short(step.log), step.count]);

/** Reads what `speedToText` wrote; `undefined` for anything else. */
export function speedFrom(value: unknown): SpeedTold | undefined {
  if (!Array.isArray(value) || value.length !== 4) return undefined;
  const [silentLog, silentCount, stepLog, stepCount] = value as readonly unknown[];
  if (!isLog(silentLog) || !isCount(silentCount) || !isLog(stepLog) || !isCount(stepCount)) return undefined;
  return { silent: { log: silentLog, count: silentCount }, step: { log: stepLog, count: stepCount } };
}

const isLog = (value: unknown): value is number => typeof value === 'number' && Math.abs(value) <= MOST_LOG;
const isCount = (value: unknown): value is number => typeof value === 'number' && value >= 0 && value <= MOST_COUNT;
