import { bounds } from '../bounds';
import { advance } from '../job/advance/advance';
import type { JobEvent, QueueEvent, QueueSeen } from '../job/job-event';
import { isAtServer, isThere, runOfJob, type Job } from '../job/job';
import { countedDown, runIdOf } from '../job/job-state';
import { isRunId } from '../job/ids';
import { barTickMs, isDue } from '../job/progress/bar';
import type { RunClock } from '../job/progress/run-clock';
import type { Durations } from '../job/progress/plan/expected';
import type { Timing } from '../job/timing';
import type { Report } from '../operators/reporting';
import { RefusedRunId, type BoardEvent, type Change } from './board-event';
import type { EarlyEvents } from './early-events';
import { endOf, measuredRun, restated, silenced, spoken } from './job-updates';
import type { LiveJobs } from './live-jobs';
import type { ServerQueues } from './queue/server-queues';
import { StartTimes } from './queue/start-times';
import { withStart } from './queue/start/told-start';
import type { SessionWatches } from './session-watch';

interface Parts {
  readonly live: LiveJobs;
  readonly sessions: SessionWatches;
  readonly early: EarlyEvents;
  readonly queues: ServerQueues;
  readonly timing: Timing;
  readonly report: Report;
  /** How long nodes took on a server. */
  readonly durationsOn: (serverUrl: string) => Durations;
  /** Whether anybody follows a job, here or elsewhere. */
  readonly isFollowed: (promptId: string) => boolean;
}

/** Takes events of single jobs: advances the job, and updates its session, its server's queue and the measured runs. */
export class JobNews {
  readonly #parts: Parts;
  readonly #live: LiveJobs;
  readonly #starts: StartTimes;
  /** Jobs whose bars move more than once a second, as their runs are short (`barTickMs`). */
  readonly #short = new Set<string>();
  /** Jobs whose turn has not come since all had one: see `#ofThisTick`. */
  #inLine: string[] = [];
  /** Jobs whose bars the last tick of the clock has not moved yet, and how many of them move at a time. */
  #unmoved: string[] = [];
  #movedAtOnce = MOVED_AT_ONCE;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#live = parts.live;
    this.#starts = new StartTimes({ ...parts, jobs: parts.live.index });
  }

  /** Adds a job, and takes in the events of its run that came before it was known. */
  open(job: Job): readonly Change[] {
    const { promptId, updatedAt, serverUrl } = job.state;
    const runId = runIdOf(job.state);
    // On the board already: what is known of it is newer.
    if (this.#live.get(promptId) !== undefined) return [];
    if (this.#live.index.run(runId) !== undefined) return this.#live.broke(job, new RefusedRunId(promptId), updatedAt);
    const taken = {
      ...job,
      durations: this.#parts.durationsOn(serverUrl),
      linked: this.#parts.sessions.isLinked(job.state),
    };
    return [...this.#live.keep(undefined, taken), ...this.#heardEarly(runId)];
  }

  /** Takes in a server's news of its queue. */
  queueTold(event: QueueEvent | QueueSeen): void {
    const isEnd = event.tag === 'queueLength' && this.#parts.queues.told(event);
    this.#starts.told(event, isEnd);
  }

  /** Marks a job whose server is silent. */
  silent({ promptId, since, at }: BoardEvent & { tag: 'silent' }): readonly Change[] {
    const job = this.#live.get(promptId);
    if (job === undefined || job.state.silentSince !== undefined) return [];
    return this.#live.keep(job, toldAgain(silenced(job, since, at), job, at));
  }

  /** Each second: moves bars by the clock, gives waiting jobs their new places, and their starts if those changed. */
  ticked(at: number): readonly Change[] {
    this.#unmoved = this.#ofThisTick();
    this.#movedAtOnce = Math.max(MOVED_AT_ONCE, Math.ceil(this.#unmoved.length / MOMENTS));
    const moved = this.#parts.queues.moved(at).flatMap((job) => this.#waits(job, at));
    const renewed = this.#starts.renewed(at).flatMap((job) => this.#waits(job, at));
    return [...moved, ...renewed, ...this.#someMoved(at)];
  }

  /**
   * The running jobs whose bars the clock moves in this second: all that somebody follows, and `bounds.writesPerSecond`
   * of the others at turns. What moves a bar that nobody follows leads to a write and to nothing else, so the bars of
   * ten thousand jobs, moved each second, took a tenth of a core for nine states that nobody saw and one that is stored.
   */
  #ofThisTick(): string[] {
    const running = this.#live.index.running().map(({ state: { promptId } }) => promptId);
    if (running.length <= bounds.writesPerSecond) return running;
    if (this.#inLine.length === 0) this.#inLine = [...running];
    const { isFollowed } = this.#parts;
    const others = this.#inLine.splice(-bounds.writesPerSecond).filter((promptId) => !isFollowed(promptId));
    return [...others, ...running.filter(isFollowed)];
  }

  /**
   * Moves some of the bars left over: the bars of 1,000 jobs at once held up the event loop for 30 ms each second. Those
   * that a frame moved in the last half second stay: frames move the bar of a job at work four times a second.
   */
  #someMoved(at: number): readonly Change[] {
    const some = this.#unmoved.splice(-this.#movedAtOnce).filter((promptId) => this.#stands(promptId, at));
    return some.flatMap((promptId) => this.told({ tag: 'ticked', promptId, at }));
  }

  #stands(promptId: string, at: number): boolean {
    const job = this.#live.get(promptId);
    if (job === undefined) return false;
    const run = runOfJob(job);
    return run === undefined || Math.abs(at - run.shown.at) >= barTickMs.longest / 2;
  }

  /** Each 25 ms: moves bars of short runs that no frame has just moved, and some of those left over. */
  movedOn(at: number): readonly Change[] {
    const due: string[] = [];
    for (const promptId of this.#short) {
      const run = this.#shortRunOf(promptId);
      if (run === undefined) this.#short.delete(promptId);
      else if (isDue(run, at)) due.push(promptId);
    }
    const moved = due.flatMap((promptId) => this.told({ tag: 'ticked', promptId, at }));
    return [...moved, ...this.#someMoved(at)];
  }

  /** Whether bars must move before the next tick of the clock. */
  isHurried(): boolean {
    return this.#short.size > 0 || this.#unmoved.length > 0;
  }

  #shortRunOf(promptId: string): RunClock | undefined {
    const job = this.#live.get(promptId);
    const run = job === undefined ? undefined : runOfJob(job);
    return run !== undefined && run.shown.nextMs < barTickMs.longest ? run : undefined;
  }

  /** Takes in an event of one job; keeps it for a while if its run is not known. */
  told(event: JobEvent): readonly Change[] {
    const before = this.#live.addressedBy(event);
    if (before === undefined) {
      this.#parts.early.keep(event);
      return [];
    }
    return this.#live.guarded(before, event.at, () => this.#advanced(before, event));
  }

  /** Takes in the events of a run that came before its job was known. */
  #heardEarly(runId: string): readonly Change[] {
    return this.#parts.early.take(runId).flatMap((event) => this.told(event));
  }

  #advanced(before: Job, event: JobEvent): readonly Change[] {
    const given = 'runId' in event && event.tag !== 'posting' ? event.runId : undefined;
    const known = this.#claimed(before, given, event.at);
    const after = spoken(this.#relinked(advance(known, event, this.#parts.timing), event), event);
    this.#parts.sessions.jobTold(before, after, event);
    const placed = this.#inQueue(before, after, event);
    const isSeen = event.tag === 'found';
    const started = isSeen ? this.#starts.started(placed, before, event.at) : toldAgain(placed, before, event.at);
    const changes = [...this.#live.keep(before, started), ...this.#measured(before, after, event)];
    const { promptId } = before.state;
    if (this.#shortRunOf(promptId) !== undefined) this.#short.add(promptId);
    return known === before ? changes : [...changes, ...this.#heardEarly(runIdOf(known.state))];
  }

  /** Keeps a waiting job that changed by news of its queue, with the time to its start. */
  #waits(job: Job, at: number): readonly Change[] {
    const before = this.#live.get(job.state.promptId);
    if (before === undefined) return [];
    return this.#live.guarded(before, at, () => this.#live.keep(before, this.#starts.started(job, before, at)));
  }

  /** The job with the run id that a server before 0.3.64 gave it; refused if it is no such id, or another job's. */
  #claimed(job: Job, runId: string | undefined, at: number): Job {
    if (runId === undefined || runId === runIdOf(job.state)) return job;
    const other = this.#live.index.run(runId) ?? this.#live.get(runId);
    if (!isRunId(runId) || (other !== undefined && other !== job)) {
      this.#parts.report('run id', new RefusedRunId(job.state.promptId));
      return job;
    }
    return restated(job, { ...job.state, runId }, at);
  }

  /** A job whose next run is posted depends on that run's session and server from now on. */
  #relinked(job: Job, { tag }: JobEvent): Job {
    if (tag !== 'posting') return job;
    return {
      ...job,
      linked: this.#parts.sessions.isLinked(job.state),
      durations: this.#parts.durationsOn(job.state.serverUrl),
    };
  }

  /** Tells the server's queue of the event. Returns the job, with its place in the queue if that follows. */
  #inQueue(before: Job, after: Job, event: JobEvent): Job {
    const { clientId, serverUrl } = after.state;
    if (isThere(before) && !isThere(after)) this.#parts.queues.of(before.state.serverUrl).left(before);
    if (isAtServer(before) && !isAtServer(after)) {
      this.#starts.ended(before, measuredRun(before, after, event), event.at);
    }
    if (event.tag === 'found') this.#parts.queues.of(serverUrl).found(after);
    if (event.tag !== 'accepted' || !isAtServer(after)) return after;
    this.#starts.accepted(after, event.at, event.isOutOfTurn === true);
    const isTold = clientId !== undefined && (this.#parts.sessions.get(clientId)?.heardAt ?? 0) >= event.postedAt;
    return this.#parts.queues.of(serverUrl).accepted(after, event.at, event.isOutOfTurn === true, isTold);
  }

  #measured(before: Job, after: Job, event: JobEvent): readonly Change[] {
    const run = measuredRun(before, after, event);
    if (run === undefined) return [];
    return [{ tag: 'measured', serverUrl: after.state.serverUrl, run, at: endOf(run, event) }];
  }
}

/** How many moments there are between two ticks of the clock; how many bars each of them moves at least. */
const MOMENTS = barTickMs.longest / barTickMs.shortest;
const MOVED_AT_ONCE = 25;

/** A waiting job whose state changes for another reason: its `etaMs` is less by the time since the last state. */
const toldAgain = (job: Job, before: Job, at: number): Job =>
  job.state === before.state || before.state.status !== 'queued' || job.state.etaMs === undefined
    ? job
    : withStart(countedDown(before.state, at), job, before, at);
