import { totalMs, type Durations } from '../../../job/progress/plan/expected';
import { planOf } from '../../../job/progress/plan/plan';
import { unknown } from '../../../job/progress/plan/priors';
import { runClock, withCached, type RunClock } from '../../../job/progress/run-clock';
import { timeLeft } from '../../../job/progress/time-left';
import type { Graph } from '../../../job/workflow';
import { remember } from '../../../maps/remember';

/** A run to estimate. */
export interface Work {
  readonly graph: Graph;
  readonly targets: readonly string[] | undefined;
  readonly durations: Durations;
  /** Whose it is, of another client. */
  readonly client?: string | undefined;
}

/** How long a run will take by its plan. */
export interface Planned {
  readonly ms: number;
  /** The part of `ms` that is known from earlier runs. */
  readonly sureMs: number;
  /** How sure `ms` is: 1 if it was measured on these very nodes. */
  readonly trust: number;
  /** Whether it tells of the run: most of it was measured, or is of classes whose names tell something. */
  readonly isTelling: boolean;
}

/** How many plans are kept, one per heat. */
const MOST = 5_000;
/** How many nodes one walk through the queue plans, some 10 µs each; the rest comes at the next walks. */
const AT_ONCE = 1_000;
/** A plan is computed again after 30 s if this instance learned more, and after 10 min as others may have. */
const LEARNT_MS = 30_000;
const STALE_MS = 10 * 60_000;

/** The plans of runs that wait at one server, computed again when more was learned. */
export class Plans {
  readonly #plans = new Map<string, { readonly at: number; readonly learnt: number; readonly planned: Planned }>();
  #learnt = 0;
  #left = AT_ONCE;

  /** Call when durations were learned. */
  learn(): void {
    this.#learnt += 1;
  }

  /** Call when a walk through the queue begins. */
  begin(): void {
    this.#left = AT_ONCE;
  }

  /** Whether this walk may plan this many nodes more; side effect: takes them from its budget. */
  hasTime(nodes: number): boolean {
    if (this.#left <= 0) return false;
    this.#left -= nodes;
    return true;
  }

  /** The plan of some work of this heat; `undefined` until a walk had the budget for it. */
  of(heat: string, { graph, targets, durations }: Work, cached: readonly string[], at: number): Planned | undefined {
    const known = this.#plans.get(heat);
    const since = known === undefined || at < known.at ? Infinity : at - known.at;
    const isFresh = since < LEARNT_MS || (known?.learnt === this.#learnt && since < STALE_MS);
    if (isFresh || !this.hasTime(graph.size)) return known?.planned;
    const run = withCached(
      runClock(planOf(graph), { at, durations, ...(targets !== undefined && { targets }) }),
      cached,
    );
    const planned = plannedOf(run, at);
    remember(this.#plans, heat, { at, learnt: this.#learnt, planned }, MOST);
    return planned;
  }
}

function plannedOf(run: RunClock, at: number): Planned {
  const left = timeLeft(run, at);
  let [ms, trusted, told] = [0, 0, 0];
  for (const [id, expected] of run.pending.entries()) {
    const nodeMs = expected.alone * totalMs(expected);
    ms += nodeMs;
    trusted += expected.trust * nodeMs;
    if (expected.trust > 0 || run.plan.nodes.get(id)?.prior !== unknown) told += nodeMs;
  }
  // Not `left.ms`, which is longer for a run of which nothing is heard, as that may be late.
  return {
    ms,
    sureMs: left.ms > 0 ? (ms * left.sureMs) / left.ms : 0,
    trust: ms > 0 ? trusted / ms : 1,
    isTelling: told >= ms / 2,
  };
}
