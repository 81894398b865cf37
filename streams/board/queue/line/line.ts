import { bounds } from '../../../bounds';
import type { QueueEntry } from '../../../job/job-event';
import type { Graph } from '../../../job/workflow';
import { remember } from '../../../maps/remember';

/** One place in a server's queue. */
export interface Slot {
  /** Our job's `promptId`, or another client's run id; `undefined` if no look has named it yet. */
  readonly id: string | undefined;
  /** Whose job it is, of another client. */
  readonly client?: string;
  /** The workflow of another client's job, if it was read. */
  readonly graph?: Graph;
  readonly targets?: readonly string[];
  /** How many nodes that workflow has, read or not. */
  readonly nodes?: number;
}

/** The run at the front, which is at work. */
export interface AtWork {
  readonly slot: Slot;
  readonly since: number;
  /** Whether `since` is its start; else it ran already when it was first seen. */
  readonly isExact: boolean;
}

/** Another client's run that was seen from its start to its end, and the workflow that ran before it. */
export interface StrangersRun {
  readonly slot: Slot;
  readonly before: Graph | undefined;
  readonly ms: number;
}

interface Ours {
  readonly isOurs: (id: string) => boolean;
  readonly isOver: (id: string) => boolean;
}

/** How many of our ended jobs are remembered: the answer to an earlier look may still name them. And of other runs. */
const ENDED = 64;
/** Waiting jobs that are removed one after the other make the queue as short, ms. */
const REMOVED_MS = 50;

const isNobody = (slot: Slot | undefined): boolean => slot !== undefined && slot.id === undefined;

/**
 * The order of one server's queue: by the last look at it, and since then by its length and the news of our jobs.
 */
export class Line {
  #slots: Slot[] = [];
  #atWork: AtWork | undefined;
  /** The runs that were taken for at work so far, by their ids. */
  readonly #begun = new Map<string, AtWork>();
  /** Other clients' runs that are over by the queue's length: the next look tells whether they are. */
  #unsure: readonly StrangersRun[] = [];
  /** The one of them by which the queue became as short as it is. */
  #last: StrangersRun | undefined;
  /** The queue's length as it was last told. */
  #remaining: number | undefined;
  /** The workflow that ran before the one at work. */
  #before: Graph | undefined;
  readonly #ended = new Map<string, true>();
  /** Whether anything of the queue was told before: what stood at the front then may have run already. */
  #isHeard = false;

  get slots(): readonly Slot[] {
    return this.#slots;
  }

  get atWork(): AtWork | undefined {
    return this.#atWork;
  }

  get before(): Graph | undefined {
    return this.#before;
  }

  /**
   * Takes in a look at the queue: its entries in order, each turned into a slot by `slotOf`. Returns other clients' runs
   * that are over, and were seen whole.
   */
  looked(entries: readonly QueueEntry[], at: number, slotOf: (entry: QueueEntry) => Slot): readonly StrangersRun[] {
    this.#slots = entries
      .slice(0, bounds.queuePlaces)
      .map(slotOf)
      .filter(({ id }) => id === undefined || !this.#ended.has(id));
    const [first] = this.#slots;
    const known = first && this.#startOf(first);
    if (first === undefined || known === undefined) this.#begins(at, false);
    else this.#isAtWork({ ...known, slot: first });
    this.#isHeard = true;
    const there = new Set(this.#slots.map(({ id }) => id));
    const over = this.#unsure.filter(({ slot }) => !there.has(slot.id));
    this.#unsure = [];
    this.#last = undefined;
    return over;
  }

  /** The start of a run that a look found at the front, if that was seen. */
  #startOf({ id = '' }: Slot): AtWork | undefined {
    const known = this.#atWork;
    if (known === undefined || isNobody(known.slot) || known.slot.id === id) return known;
    // A waiting job was removed, and this run was taken for over by that.
    const begun = this.#begun.get(id);
    if (begun !== undefined) return begun;
    // This run went in front of the one that was expected, and began in its stead.
    return this.#slots.some((slot) => slot.id === known.slot.id) ? known : undefined;
  }

  /**
   * Takes in the queue's length. `isOurs`: the id is a live job's of ours; `isOver`: it has run, and only its outputs are
   * fetched. Returns the time of a run that is over by it, ms, if it was seen whole and nobody told whose it was.
   */
  told(remaining: number, at: number, { isOurs, isOver }: Ours): number | undefined {
    const isOverAt = (slot: Slot | undefined): boolean => slot?.id !== undefined && isOver(slot.id);
    while (isOverAt(this.#slots[0])) this.#slots.shift();
    const wanted = Math.min(remaining, bounds.queuePlaces);
    // Another socket may tell of as many, between the two that tell of one end.
    if (remaining !== this.#remaining) this.#last = undefined;
    this.#remaining = remaining;
    while (this.#slots.length < wanted) this.#slots.push({ id: undefined });
    const [first] = this.#slots;
    // If our own job is in front, its end comes by its own news: then a waiting job was removed instead.
    const isShorter =
      first !== undefined && this.#slots.length > wanted && !(first.id !== undefined && isOurs(first.id));
    if (isShorter) this.#slots = this.#slots.slice(this.#slots.length - wanted);
    const over = isShorter ? this.#over(first, at) : undefined;
    if (this.#slots[0] !== this.#atWork?.slot) this.#begins(at, true);
    this.#isHeard = true;
    return over;
  }

  /** The run by whose end the queue is as short as it is, is over. Returns it if it was another client's, and seen whole. */
  confirmed(): StrangersRun | undefined {
    const run = this.#last;
    this.#last = undefined;
    if (run !== undefined) this.#unsure = this.#unsure.filter((unsure) => unsure !== run);
    return run;
  }

  /**
   * ComfyUI took a job of ours: it is last, or, out of turn, before all that wait. If the queue's length has counted it
   * already, it takes the place of an unnamed slot at the end.
   */
  accepted(id: string, at: number, isOutOfTurn: boolean): void {
    this.#ended.delete(id);
    const isThere = this.#slots.some((slot) => slot.id === id);
    if (isThere || this.#slots.length >= bounds.queuePlaces) return;
    if (isNobody(this.#slots.at(-1))) this.#slots.pop();
    if (isOutOfTurn) this.#slots.splice(1, 0, { id });
    else this.#slots.push({ id });
    if (this.#atWork === undefined || isNobody(this.#atWork.slot)) this.#begins(at, true);
  }

  /** A job of ours left the queue; `graph` is its workflow if it has run. */
  ended(id: string, at: number, graph: Graph | undefined): void {
    remember(this.#ended, id, true, ENDED);
    const place = this.#slots.findIndex((slot) => slot.id === id);
    if (graph !== undefined) this.#before = graph;
    if (place < 0) return;
    // All that stood before a job that has run are over, too.
    this.#slots.splice(graph === undefined ? place : 0, graph === undefined ? 1 : place + 1);
    if (this.#slots[0] !== this.#atWork?.slot) this.#begins(at, true);
  }

  #over(slot: Slot, at: number): number | undefined {
    const run = this.#atWork;
    const before = this.#before;
    this.#before = slot.graph;
    if (run?.isExact !== true || run.slot !== slot) return undefined;
    const ms = at - run.since;
    if (slot.id === undefined) return ms;
    if (ms < REMOVED_MS) return undefined;
    this.#last = { slot, before, ms };
    this.#unsure = [...this.#unsure, this.#last].slice(-ENDED);
    return undefined;
  }

  #begins(at: number, isExact: boolean): void {
    const [slot] = this.#slots;
    this.#isAtWork(slot && { slot, since: at, isExact: isExact && this.#isHeard });
  }

  #isAtWork(run: AtWork | undefined): void {
    this.#atWork = run;
    if (run?.slot.id !== undefined) remember(this.#begun, run.slot.id, run, ENDED);
  }
}
