import { bounds } from '../../../bounds';
import type { QueueEntry } from '../../../job/job-event';
import type { Graph } from '../../../job/workflow';
import { remember } from '../../../maps/remember';

/** One place in a server's queue. */
export interface Slot {
  /** The `promptId` of a job of ours, else the server's id of a stranger's; `undefined` where nobody told who it is. */
  readonly id: string | undefined;
  /** A stranger's workflow, where it was told and read. */
  readonly graph?: Graph;
  readonly targets?: readonly string[];
  /** How many nodes that has, or would have. */
  readonly nodes?: number;
}

/** What is at work at the front. */
export interface AtWork {
  readonly slot: Slot;
  readonly since: number;
  /** Whether its start was seen, not only that it runs. */
  readonly isExact: boolean;
}

/** A stranger's run that was seen from its start to its end, and what ran before it. */
export interface StrangersRun {
  readonly slot: Slot;
  readonly before: Graph | undefined;
  readonly ms: number;
}

interface Ours {
  readonly isOurs: (id: string) => boolean;
  readonly isOver: (id: string) => boolean;
}

/** Of jobs of ours that ended, so many are remembered: a look that was asked before may still name them. */
const ENDED = 64;

const isNobody = (slot: Slot | undefined): boolean => slot !== undefined && slot.id === undefined;

/**
 * Who stands where in one server's queue: as the last look at it told, and since then by its length and by what becomes
 * of our jobs.
 */
export class Line {
  #slots: Slot[] = [];
  #atWork: AtWork | undefined;
  /** The workflow that ran before the one at work. */
  #before: Graph | undefined;
  readonly #ended = new Map<string, true>();

  get slots(): readonly Slot[] {
    return this.#slots;
  }

  get atWork(): AtWork | undefined {
    return this.#atWork;
  }

  get before(): Graph | undefined {
    return this.#before;
  }

  /** A look at the queue: its entries in order, each as `slotOf` has it. */
  looked(entries: readonly QueueEntry[], at: number, slotOf: (entry: QueueEntry) => Slot): void {
    this.#slots = entries
      .slice(0, bounds.queuePlaces)
      .map(slotOf)
      .filter(({ id }) => id === undefined || !this.#ended.has(id));
    const known = this.#atWork;
    const [first] = this.#slots;
    const isKnown = known !== undefined && first !== undefined;
    if (isKnown && (isNobody(known.slot) || known.slot.id === first.id)) this.#atWork = { ...known, slot: first };
    else this.#begins(at, false);
  }

  /** The server has so many jobs in hand: tells which stranger's run is over by that. `isOurs` tells of a live job of ours, `isOver` of one that has run. */
  told(remaining: number, at: number, { isOurs, isOver }: Ours): StrangersRun | undefined {
    const isOverAt = (slot: Slot | undefined): boolean => slot?.id !== undefined && isOver(slot.id);
    while (isOverAt(this.#slots[0])) this.#slots.shift();
    const wanted = Math.min(remaining, bounds.queuePlaces);
    while (this.#slots.length < wanted) this.#slots.push({ id: undefined });
    const [first] = this.#slots;
    // The run of a job of ours ends by its own news: until then somebody behind it was taken out.
    const isShorter =
      first !== undefined && this.#slots.length > wanted && !(first.id !== undefined && isOurs(first.id));
    if (isShorter) this.#slots = this.#slots.slice(this.#slots.length - wanted);
    const over = isShorter ? this.#over(first, at) : undefined;
    if (this.#slots[0] !== this.#atWork?.slot) this.#begins(at, true);
    return over;
  }

  /** ComfyUI took a job of ours, last or, out of turn, before all that wait. Where the queue's length told of it already, it is the last of those nobody told of. */
  accepted(id: string, at: number, isOutOfTurn: boolean): void {
    this.#ended.delete(id);
    const isThere = this.#slots.some((slot) => slot.id === id);
    if (isThere || this.#slots.length >= bounds.queuePlaces) return;
    if (isNobody(this.#slots.at(-1))) this.#slots.pop();
    if (isOutOfTurn) this.#slots.splice(1, 0, { id });
    else this.#slots.push({ id });
    if (this.#atWork === undefined || isNobody(this.#atWork.slot)) this.#begins(at, true);
  }

  /** A job of ours is not in the queue any more; `graph` is its workflow where it has run. */
  ended(id: string, at: number, graph: Graph | undefined): void {
    remember(this.#ended, id, true, ENDED);
    const place = this.#slots.findIndex((slot) => slot.id === id);
    if (graph !== undefined) this.#before = graph;
    if (place < 0) return;
    // Whoever stood before one that has run is over, too.
    this.#slots.splice(graph === undefined ? place : 0, graph === undefined ? 1 : place + 1);
    if (this.#slots[0] !== this.#atWork?.slot) this.#begins(at, true);
  }

  #over(slot: Slot, at: number): StrangersRun | undefined {
    const run = this.#atWork;
    const before = this.#before;
    this.#before = slot.graph;
    if (run?.isExact !== true || run.slot !== slot) return undefined;
    return { slot, before, ms: at - run.since };
  }

  #begins(at: number, isExact: boolean): void {
    const [slot] = this.#slots;
    this.#atWork = slot === undefined ? undefined : { slot, since: at, isExact };
  }
}
