import type { Graph } from '../../../job/workflow';
import { getOrInsert, likeLast } from '../../../maps/remember';
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

/** The nodes of a workflow that are cached when it runs, and the heat of that run. */
interface Cached {
  readonly heat: string;
  readonly ids: readonly string[];
}

/** How many heats of a server have their `Cached` and their estimate shared by all jobs, and how many nodes such a list has at most. */
const SHARED_HEATS = 100;
const SHARED_NODES = 1_000;
const isSameList = ({ ids }: Cached, { ids: others }: Cached): boolean =>
  ids.length === others.length && ids.every((id, n) => id === others[n]);
const isSameEstimate = (a: Estimate, b: Estimate): boolean =>
  a.ms === b.ms && a.sureMs === b.sureMs && a.trust === b.trust;

/** What follows for a workflow from the one that runs before it. */
interface After {
  /** The number of the workflow before. Not the graph itself, which would keep all that ever ran in memory. */
  readonly before: number;
  readonly like: ReadonlySet<string> | undefined;
  readonly cached: Cached;
}

interface Known {
  readonly after: After;
  readonly at: number;
  readonly seen: number;
  readonly estimate: Estimate;
}

/** What is noted of one workflow, in one record: an entry in a `WeakMap` for each part takes 200 bytes more a job. */
interface Noted {
  readonly number: number;
  after: After | undefined;
  known: Known | undefined;
}

/**
 * How long runs will take: the median of the last runs of the same heat, with the plan if that was measured; else what
 * others of their kind took, scaled by the plans; else the plan; `undefined` if none of these is known.
 */
export class Estimates {
  readonly #observed: Observed;
  readonly #plans: Plans;
  readonly #noted = new WeakMap<Graph, Noted>();
  #numbered = 0;
  readonly #cachedLike = likeLast(isSameList, SHARED_HEATS);
  readonly #estimateLike = likeLast(isSameEstimate, SHARED_HEATS);

  constructor(observed: Observed, plans: Plans) {
    this.#observed = observed;
    this.#plans = plans;
  }

  /** The estimate for some work; `before` is the workflow that runs before it, if known. */
  of(work: Work, before: Graph | undefined, at: number, live?: Live): Estimate | undefined {
    const { graph } = work;
    const noted = this.#notedOf(graph);
    const { known } = noted;
    const isFresh = known?.seen === this.#observed.count() && at >= known.at && at - known.at < SAME_MS;
    if (isFresh && known.after.before === this.#numberOf(before) && known.after.cached.heat !== live?.heat)
      return known.estimate;
    if (graph.size === 0 || (noted.after === undefined && !this.#plans.hasTime(graph.size))) return undefined;
    const after = this.#afterOf(work, before);
    const estimate = this.#estimated(work, after, at, live);
    if (estimate !== undefined && after.cached.heat !== live?.heat)
      noted.known = { after, at, seen: this.#observed.count(), estimate };
    return estimate;
  }

  #estimated(work: Work, { cached }: After, at: number, live: Live | undefined): Estimate | undefined {
    const { heat, ids } = cached;
    const planned = this.#plans.of(heat, work, ids, at);
    const plan = planned !== undefined && planned.trust >= TRUSTED ? [planned.ms] : [];
    const running = live?.heat === heat ? [live.ms] : [];
    const ms = middleOf([...plan, ...this.#observed.ofHeat(heat), ...running]);
    const told =
      ms === undefined
        ? planned && (this.#likeOthers(planned, work, at) ?? planned)
        : { ms, sureMs: ms, trust: Math.max(planned?.trust ?? 0, SEEN_TRUST) };
    if (told === undefined) return undefined;
    return this.#estimateLike(heat, { ms: told.ms, sureMs: told.sureMs, trust: told.trust, heat });
  }

  /** The heat of some work, and whether nothing is cached for it. */
  heatOf(work: Work, before: Graph | undefined): { readonly heat: string; readonly isCold: boolean } {
    const { heat, ids } = this.#afterOf(work, before).cached;
    return { heat, isCold: ids.length === 0 };
  }

  #numberOf(graph: Graph | undefined): number {
    return graph === undefined ? 0 : this.#notedOf(graph).number;
  }

  #notedOf(graph: Graph): Noted {
    return getOrInsert(this.#noted, graph, () => {
      this.#numbered += 1;
      return { number: this.#numbered, after: undefined, known: undefined };
    });
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
    const noted = this.#notedOf(graph);
    const known = noted.after;
    const isLike = before !== undefined && kindOf(graph) === kindOf(before);
    const like = isLike ? this.#observed.cachedOf(kindOf(graph)) : undefined;
    const number = this.#numberOf(before);
    if (known !== undefined && known.before === number && known.like === like) return known;
    const ids = before === undefined ? [] : sameNodes(graph, before, like);
    const cached = { heat: heatOf(graph, ids.length, targets), ids };
    const isShared = ids.length <= SHARED_NODES;
    noted.after = { before: number, like, cached: isShared ? this.#cachedLike(cached.heat, cached) : cached };
    return noted.after;
  }
}
