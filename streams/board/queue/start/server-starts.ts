import type { JobReads } from '../../job-index';
import { bounds } from '../../../bounds';
import type { QueueEvent, QueueSeen } from '../../../job/job-event';
import type { Job } from '../../../job/job';
import { isSureOf } from '../../../job/progress/node/node-left';
import type { Durations } from '../../../job/progress/plan/expected';
import type { RunClock } from '../../../job/progress/run-clock';
import { Line, type StrangersRun } from '../line/line';
import type { Strangers } from '../line/strangers';
import { heatOfRun } from './at-work';
import { Estimates, type Ahead } from './estimates';
import { kindOf, shapeOf } from './kinds';
import { observed } from './observed';
import { Plans } from './planned';
import { walked, type Place } from './walk';

/** The live jobs that a server's queue may name. */
export type Jobs = Pick<JobReads, 'ofServer' | 'countOf' | 'run' | 'jobs'>;

/** A time is told if most of it is sure, or if it is off by no more than this share in two of three cases. */
const MOST_SPREAD = 0.4;
const isTold = (ahead: Ahead): boolean =>
  isSureOf(ahead) || (ahead.ms > 0 && Math.hypot(ahead.spreadMs, ahead.biasMs) <= MOST_SPREAD * ahead.ms);

/** How long a walk through the queue is reused, ms: for all jobs of one look, say. */
const SAME_WALK_MS = 200;

/** When our jobs that wait at one server will start. */
export class ServerStarts {
  readonly #url: string;
  readonly #jobs: Jobs;
  readonly #durations: Durations;
  readonly #line = new Line();
  readonly #observed = observed();
  readonly #plans = new Plans();
  readonly #estimates = new Estimates(this.#observed, this.#plans);
  #walked: { readonly at: number; readonly ahead: ReadonlyMap<string, Ahead> } | undefined;

  constructor(url: string, jobs: Jobs, durations: Durations) {
    this.#url = url;
    this.#jobs = jobs;
    this.#durations = durations;
  }

  /** Takes in a look at the whole queue. */
  looked({ entries, at }: QueueSeen, strangers: Strangers): void {
    const others = entries.filter((entry) => this.#oursOf(entry) === undefined);
    const slots = strangers.seen(this.#url, others);
    const over = this.#line.looked(entries, at, (entry) => {
      const job = this.#oursOf(entry);
      return job === undefined ? (slots.get(entry.runId) ?? { id: entry.runId }) : { id: job.state.promptId };
    });
    for (const run of over) this.#ran(run, at);
    this.#walked = undefined;
  }

  /**
   * Takes in the queue's length; `isEnd`: it tells that a run has ended. Forgets other clients' workflows if no job of
   * ours is there to wait for them.
   */
  told({ remaining, at }: QueueEvent, isEnd: boolean, strangers: Strangers): void {
    if (this.#jobs.countOf(this.#url) === 0) strangers.forget(this.#url);
    const over = isEnd ? this.#line.confirmed() : undefined;
    if (over !== undefined) this.#ran(over, at);
    const ms = this.#line.told(remaining, at, {
      isOurs: (id) => this.#live(id) !== undefined,
      isOver: (id) => this.#live(id)?.stage.tag === 'fetchingOutputs',
    });
    if (ms !== undefined) this.#observed.took(undefined, ms, false);
  }

  /** Another client's run is over. */
  #ran({ slot: { graph, targets, client }, before, ms }: StrangersRun, at: number): void {
    const work = graph && { graph, targets, durations: this.#durations };
    this.#observed.took(work && this.#estimates.ranAs(work, before, at), ms, false, client);
  }

  accepted({ state: { promptId } }: Job, at: number, isOutOfTurn: boolean): void {
    this.#line.accepted(promptId, at, isOutOfTurn);
  }

  /** A job of ours left the queue. */
  ended({ state: { promptId, status }, graph }: Job, at: number): void {
    this.#line.ended(promptId, at, status === 'processing' ? graph : undefined);
  }

  /** Adds the time of a run of ours, from its start to its good end. Call it before `ended`. */
  took(job: Job, run: RunClock, at: number): void {
    const kind = kindOf(job.graph);
    const { before } = this.#line;
    if (before !== undefined && kindOf(before) === kind) this.#observed.wereCached(kind, run.cached);
    const heat = heatOfRun(job, run);
    const ran = { kind, heat, shape: shapeOf(job.graph), isCold: run.cached.size === 0, planned: undefined };
    this.#observed.took(ran, at - run.startedAt, true);
    this.#plans.learn();
  }

  /** How long until a waiting job starts, ms; `undefined` while too little of that is known. */
  startsIn({ state: { promptId, queuePosition } }: Job, at: number): number | undefined {
    if (queuePosition === undefined || queuePosition === 0) return queuePosition;
    const known = this.#walked;
    const isFresh = known !== undefined && at >= known.at && at - known.at < SAME_WALK_MS;
    const { ahead } = isFresh && (known.at === at || known.ahead.has(promptId)) ? known : this.#walk(at);
    const before = ahead.get(promptId);
    return before !== undefined && isTold(before) ? before.ms : undefined;
  }

  #walk(at: number): { readonly at: number; readonly ahead: ReadonlyMap<string, Ahead> } {
    const [line, estimates] = [this.#line, this.#estimates];
    this.#plans.begin();
    const known = { estimates, durations: this.#durations, atWork: line.atWork, before: line.before };
    const ahead = walked(this.#places(), known, at);
    this.#walked = { at, ahead };
    return this.#walked;
  }

  /** The places of the queue: by the line, with our jobs that it does not hold put in by their `queuePosition`. */
  #places(): readonly Place[] {
    const front: Place[] = [];
    const places: Place[] = [];
    const placed = new Set<string>();
    for (const slot of this.#line.slots) {
      const job = slot.id === undefined ? undefined : this.#live(slot.id);
      if (job !== undefined) placed.add(job.state.promptId);
      if (job?.stage.tag === 'fetchingOutputs') continue;
      if (job?.state.status === 'processing') front.push({ job });
      else places.push(job === undefined ? { slot } : { job });
    }
    const others = this.#jobs
      .ofServer(this.#url)
      .filter((job) => job.stage.tag !== 'fetchingOutputs' && !placed.has(job.state.promptId))
      .sort((a, b) => (a.state.queuePosition ?? 0) - (b.state.queuePosition ?? 0));
    for (const job of others) {
      const { status, queuePosition } = job.state;
      if (status === 'processing') front.push({ job });
      else if (queuePosition !== undefined) put(places, job, queuePosition - front.length);
    }
    return [...front, ...places];
  }

  #live(promptId: string): Job | undefined {
    const job = this.#jobs.jobs.get(promptId);
    return job?.state.serverUrl === this.#url ? job : undefined;
  }

  #oursOf({ runId, promptId }: QueueSeen['entries'][number]): Job | undefined {
    const job = this.#jobs.run(runId) ?? (promptId === undefined ? undefined : this.#jobs.run(promptId));
    return job?.state.serverUrl === this.#url ? job : undefined;
  }
}

/** Puts a job in place of an unnamed slot at `index`, else behind all, with empty places between up to `index`. */
function put(places: Place[], job: Job, index: number): void {
  if (index > bounds.queuePlaces) return;
  const there = places[index];
  while (places.length < index) places.push({});
  if (there !== undefined && there.job === undefined && there.slot?.id === undefined) places[index] = { job };
  else places.push({ job });
}
