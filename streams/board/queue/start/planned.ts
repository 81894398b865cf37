import { totalMs, type Durations } from '../../../job/progress/plan/expected';
import { planOf } from '../../../job/progress/plan/plan';
import { runClock, withCached, type RunClock } from '../../../job/progress/run-clock';
import { timeLeft } from '../../../job/progress/time-left';
import type { Graph } from '../../../job/workflow';
import { remember } from '../../../maps/remember';

/** What is to be run. */
export interface Work {
  readonly graph: Graph;
  readonly targets: readonly string[] | undefined;
  readonly durations: Durations;
}

/** What a run will take by its plan. */
export interface Planned {
  readonly ms: number;
  /** Of that, what is known from earlier runs. */
  readonly sureMs: number;
  /** How sure that is: 1 measured on these very nodes. */
  readonly trust: number;
}

/** Plans remembered: workflows of one kind, of which the same is cached, have one. */
const MOST = 5_000;
/** Nodes that are gone through in one go, some 10 µs each; the rest the next time. */
const AT_ONCE = 1_000;
/** A plan is added up again after so long where more was learnt here, and after so long in any case: others may have learnt more. */
const LEARNT_MS = 30_000;
const STALE_MS = 10 * 60_000;

/** The plans of what waits at one server, added up anew where more was learnt. */
export class Plans {
  readonly #plans = new Map<string, { readonly at: number; readonly learnt: number; readonly planned: Planned }>();
  #learnt = 0;
  #left = AT_ONCE;

  /** More was learnt. */
  learn(): void {
    this.#learnt += 1;
  }

  /** The queue is gone through once more. */
  begin(): void {
    this.#left = AT_ONCE;
  }

  /** Whether there is time to go through so many nodes more in this go: it is spent where there is. */
  hasTime(nodes: number): boolean {
    if (this.#left <= 0) return false;
    this.#left -= nodes;
    return true;
  }

  /** The plan of some work of this heat; `undefined` until there was time for it. */
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
  let [ms, trusted] = [0, 0];
  for (const [, expected] of run.pending.entries()) {
    ms += expected.alone * totalMs(expected);
    trusted += expected.trust * expected.alone * totalMs(expected);
  }
  // What is left of a run that is silent is more than what it takes: it may be late.
  return { ms, sureMs: left.ms > 0 ? (ms * left.sureMs) / left.ms : 0, trust: ms > 0 ? trusted / ms : 1 };
}
