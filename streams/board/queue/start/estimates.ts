import type { Graph } from '../../../job/workflow';
import { sameNodes } from '../line/same-nodes';
import { heatOf, kindOf } from './kinds';
import { middleOf, type Observed } from './observed';
import type { Planned, Plans, Work } from './planned';

/** How long runs will take. */
export interface Ahead {
  readonly ms: number;
  /** The part of `ms` that is known by measurements. */
  readonly sureMs: number;
}

/** How long a run will take, how sure that is (0–1), and its heat. */
export interface Estimate extends Ahead {
  readonly trust: number;
  readonly heat: string;
}

/** A run at work, with how long it will have taken in all: counts like a finished run of its heat. */
export interface Live {
  readonly heat: string;
  readonly ms: number;
}

/** From this trust on a plan counts like an observed run. */
const TRUSTED = 0.6;
/** The trust of an estimate from observed runs. */
const SEEN_TRUST = 0.8;

/** How long an estimate is reused while nothing new was seen, ms. */
const SAME_MS = 5_000;

/** What follows for a workflow from the one that runs before it. */
interface After {
  /** The number of the workflow before. Not the graph itself, which would keep all that ever ran in memory. */
  readonly before: number;
  readonly like: ReadonlySet<string> | undefined;
  readonly cached: readonly string[];
  readonly heat: string;
}

interface Known {
  readonly after: After;
  readonly at: number;
  readonly seen: number;
  readonly estimate: Estimate;
}

/**
 * How long runs will take: the median of the last runs of the same heat, with the plan if that was measured; else what
 * others of their kind took, scaled by the plans; else the plan; `undefined` if none of these is known.
 */
export class Estimates {
  readonly #observed: Observed;
  readonly #plans: Plans;
  readonly #numbers = new WeakMap<Graph, number>();
  #numbered = 0;
  readonly #after = new WeakMap<Graph, After>();
  readonly #known = new WeakMap<Graph, Known>();

  constructor(observed: Observed, plans: Plans) {
    this.#observed = observed;
    this.#plans = plans;
  }

  /** The estimate for some work; `before` is the workflow that runs before it, if known. */
  of(work: Work, before: Graph | undefined, at: number, live?: Live): Estimate | undefined {
    const { graph } = work;
    const known = this.#known.get(graph);
    const isFresh = known?.seen === this.#observed.count() && at >= known.at && at - known.at < SAME_MS;
    if (isFresh && known.after.before === this.#numberOf(before) && known.after.heat !== live?.heat)
      return known.estimate;
    if (graph.size === 0 || (!this.#after.has(graph) && !this.#plans.hasTime(graph.size))) return undefined;
    const after = this.#afterOf(work, before);
    const estimate = this.#estimated(work, after, at, live);
    if (estimate !== undefined && after.heat !== live?.heat)
      this.#known.set(graph, { after, at, seen: this.#observed.count(), estimate });
    return estimate;
  }

  #estimated(work: Work, { heat, cached }: After, at: number, live: Live | undefined): Estimate | undefined {
    const planned = this.#plans.of(heat, work, cached, at);
    const plan = planned !== undefined && planned.trust >= TRUSTED ? [planned.ms] : [];
    const running = live?.heat === heat ? [live.ms] : [];
    const ms = middleOf([...plan, ...this.#observed.ofHeat(heat), ...running]);
    if (ms !== undefined) return { ms, sureMs: ms, trust: Math.max(planned?.trust ?? 0, SEEN_TRUST), heat };
    return planned && { ...(this.#likeOthers(planned, work, at) ?? planned), heat };
  }

  /** The heat of some work, and whether nothing is cached for it. */
  heatOf(work: Work, before: Graph | undefined): { readonly heat: string; readonly isCold: boolean } {
    const { heat, cached } = this.#afterOf(work, before);
    return { heat, isCold: cached.length === 0 };
  }

  #numberOf(graph: Graph | undefined): number {
    if (graph === undefined) return 0;
    const known = this.#numbers.get(graph);
    if (known !== undefined) return known;
    this.#numbered += 1;
    this.#numbers.set(graph, this.#numbered);
    return this.#numbered;
  }

  /** What another run of the kind took, for which more or less was cached, scaled by the ratio of the two plans. */
  #likeOthers(planned: Planned, work: Work, at: number): Planned | undefined {
    const other = this.#observed.ofKind(kindOf(work.graph));
    if (other === undefined) return undefined;
    const plan = other.isCold ? this.#plans.of(other.heat, work, [], at) : undefined;
    const ms = plan === undefined || plan.ms === 0 ? other.ms : (other.ms * planned.ms) / plan.ms;
    return { ms, sureMs: ms, trust: SEEN_TRUST };
  }

  /** The nodes that are cached after the workflow before; computed once for each pair. */
  #afterOf({ graph, targets }: Work, before: Graph | undefined): After {
    const known = this.#after.get(graph);
    const isLike = before !== undefined && kindOf(graph) === kindOf(before);
    const like = isLike ? this.#observed.cachedOf(kindOf(graph)) : undefined;
    const number = this.#numberOf(before);
    if (known !== undefined && known.before === number && known.like === like) return known;
    const cached = before === undefined ? [] : sameNodes(graph, before, like);
    const after: After = { before: number, like, cached, heat: heatOf(graph, cached.length, targets) };
    this.#after.set(graph, after);
    return after;
  }
}
