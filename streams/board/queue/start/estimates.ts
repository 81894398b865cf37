import { isSureOf } from '../../../job/progress/node/node-left';
import type { Graph } from '../../../job/workflow';
import { getOrInsert, likeLast } from '../../../maps/remember';
import { sameNodes } from '../line/same-nodes';
import { heatOf, kindOf, shapeOf } from './kinds';
import type { Likely } from './likely';
import { middleOf, type Observed, type Ran } from './observed';
import type { Planned, Plans, Work } from './planned';

/** How long runs will take. */
export interface Ahead {
  readonly ms: number;
  /** The part of `ms` that is known by measurements. */
  readonly sureMs: number;
  /** The standard deviation of the other part, ms: of each run by itself, and of what is the same for all. */
  readonly spreadMs: number;
  readonly biasMs: number;
}

/** How long a run will take, how sure that is (0–1), and its heat. */
export interface Estimate extends Ahead {
  readonly trust: number;
  readonly heat: string;
}

type Told = Omit<Estimate, 'heat'>;
const sure = (ms: number, trust: number): Told => ({ ms, sureMs: ms, spreadMs: 0, biasMs: 0, trust });

const guessOf = ({ ms, sureMs, trust }: Planned): Told => ({ ms, sureMs, spreadMs: 0, biasMs: ms - sureMs, trust });

const unsure = ({ ms, spreadMs, biasMs }: Likely, trust: number): Told => ({ ms, sureMs: 0, spreadMs, biasMs, trust });

/** A run at work, with how long it will have taken in all: counts like a finished run of its heat. */
export interface Live {
  readonly heat: string;
  readonly ms: number;
}

/** From this trust on a plan counts like an observed run. */
const TRUSTED = 0.6;
/** The trust of an estimate from observed runs. */
const SEEN_TRUST = 0.8;

/** The trust of an estimate by runs of the same shape, and by any runs of the server. */
const SHAPE_TRUST = 0.5;
const GUESS_TRUST = 0.3;
/** A guess that differs by more than this factor from what is usual tells of another kind of run. */
const ANOTHER_KIND = 4;

/**
 * A workflow of a shape that was not seen is no more alike to the others than this, however alike those are; one of
 * classes whose names tell something may differ as much as its guess does.
 */
const OF_OTHER_SHAPE = 0.5;
const OF_OTHER_CLASSES = 1;

/** Whether a guess tells of a run of another kind than those that were seen. */
const isOther = ({ isTelling, ms }: Planned, { isByPlan, ms: seenMs }: Likely): boolean =>
  isTelling && !isByPlan && Math.abs(Math.log(Math.max(1, ms) / Math.max(1, seenMs))) > Math.log(ANOTHER_KIND);

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
  a.ms === b.ms && a.sureMs === b.sureMs && a.spreadMs === b.spreadMs && a.biasMs === b.biasMs && a.trust === b.trust;

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
 * others of their kind took, scaled by the plans; else what others of their shape did; else the plan if that is sure;
 * else what runs of that client usually take, or runs there, or the plan's guess.
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

  /**
   * The estimate for some work, `undefined` for one of which nothing is known; `before` is the workflow that runs before
   * it, if known. `undefined` if nothing was seen on this server either.
   */
  of(work: Work | undefined, before: Graph | undefined, at: number, live?: Live): Estimate | undefined {
    if (work === undefined) return this.#usualRun();
    const { graph } = work;
    const noted = this.#notedOf(graph);
    const { known } = noted;
    const isFresh = known?.seen === this.#observed.count() && at >= known.at && at - known.at < SAME_MS;
    if (isFresh && known.after.before === this.#numberOf(before) && known.after.cached.heat !== live?.heat)
      return known.estimate;
    if (graph.size === 0 || (noted.after === undefined && !this.#plans.hasTime(graph.size))) return this.#usualRun();
    const after = this.#afterOf(work, before);
    const { heat, ids } = after.cached;
    const planned = this.#plans.of(heat, work, ids, at);
    const told = this.#seen(heat, planned, live) ?? this.#guessed(work, planned, at);
    if (told === undefined) return undefined;
    const estimate = this.#estimateLike(heat, { ...told, heat });
    if (planned !== undefined && heat !== live?.heat)
      noted.known = { after, at, seen: this.#observed.count(), estimate };
    return estimate;
  }

  #seen(heat: string, planned: Planned | undefined, live: Live | undefined): Told | undefined {
    const plan = planned !== undefined && planned.trust >= TRUSTED ? [planned.ms] : [];
    const running = live?.heat === heat ? [live.ms] : [];
    const ms = middleOf([...plan, ...this.#observed.ofHeat(heat), ...running]);
    return ms === undefined ? undefined : sure(ms, Math.max(planned?.trust ?? 0, SEEN_TRUST));
  }

  #guessed(work: Work, planned: Planned | undefined, at: number): Told | undefined {
    if (planned === undefined) return this.#usualRun();
    const like = this.#likeOthers(planned, work, at);
    if (like !== undefined) return like;
    const isSure = isSureOf(planned);
    const shaped = this.#observed.ofShape(shapeOf(work.graph), planned, isSure);
    if (shaped === undefined) return isSure ? guessOf(planned) : this.#usual(planned, work.client);
    if (isOther(planned, shaped)) return guessOf(planned);
    const share = isSure ? planned.sureMs / planned.ms : 0;
    return { ...unsure(shaped, SHAPE_TRUST), sureMs: share * shaped.ms };
  }

  #usualRun(): Estimate | undefined {
    const usual = this.#observed.usualRun();
    if (usual === undefined) return undefined;
    return { ...(usual.areAlike ? sure(usual.ms, GUESS_TRUST) : unsure(usual, GUESS_TRUST)), heat: '' };
  }

  /** What runs usually take, unless this one's plan tells of another kind. */
  #usual(planned: Planned, client: string | undefined): Told {
    const usual = this.#observed.usual(planned, client);
    if (usual === undefined || isOther(planned, usual)) return guessOf(planned);
    const least = (planned.isTelling ? OF_OTHER_CLASSES : OF_OTHER_SHAPE) * usual.ms;
    return unsure({ ...usual, spreadMs: Math.max(usual.spreadMs, least) }, GUESS_TRUST);
  }

  /** What was seen of a run by its plan, for estimates of others. */
  ranAs(work: Work, before: Graph | undefined, at: number): Ran {
    const { heat, ids } = this.#afterOf(work, before).cached;
    const { graph } = work;
    const planned = this.#plans.of(heat, work, ids, at);
    return { kind: kindOf(graph), shape: shapeOf(graph), heat, isCold: ids.length === 0, planned };
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
  #likeOthers(planned: Planned, work: Work, at: number): Told | undefined {
    const other = this.#observed.ofKind(kindOf(work.graph));
    if (other === undefined) return undefined;
    const plan = other.isCold ? this.#plans.of(other.heat, work, [], at) : undefined;
    const ms = plan === undefined || plan.ms === 0 ? other.ms : (other.ms * planned.ms) / plan.ms;
    return sure(ms, SEEN_TRUST);
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
