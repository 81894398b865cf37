import type { Observable } from 'rxjs';
import { advance } from '../job/advance/advance';
import type { JobEvent, SessionEvent } from '../job/job-event';
import { isAtServer, jobOf, lookedUpBy, notWhole, type Job } from '../job/job';
import { runIdOf } from '../job/job-state';
import { isRunId } from '../job/run-id';
import { byName, type Durations } from '../job/progress/plan/expected';
import type { Timing } from '../job/timing';
import { watchers } from '../operators/keyed-watchers';
import type { Report } from '../operators/reporting';
import { RefusedRunId, type Board, type BoardEvent, type BoardView, type Change } from './board-event';
import { earlyEvents } from './early-events';
import { linkedAt, measuredRun, pictureIn, restated, silenced, spoken, unlinkedAt } from './job-updates';
import { LiveJobs } from './live-jobs';
import { ServerQueues } from './queue/server-queues';
import { SessionWatches } from './session-watch';
import { startTimes, withStart, type StartTimes } from './queue/start-times';

export type { Board, BoardEvent, BoardView, Change, Picture, Preview } from './board-event';

/** An empty board. `durationsOn` gives what is known of nodes' durations on a server, `hasRoom` whether a picture of so many bytes can be kept now. */
export function jobBoard(
  timing: Timing,
  report: Report = () => undefined,
  durationsOn: (serverUrl: string) => Durations = () => byName,
  hasRoom: (bytes: number) => boolean = () => true,
): Board {
  const board = new JobBoard(timing, report, durationsOn, hasRoom);
  return {
    ...board.view,
    changed: (key) => board.changed(key),
    take: (event) => board.take(event),
    due: (serverUrl, now) => board.due(serverUrl, now),
    reopenIfDeaf: (clientId, now) => board.reopenIfDeaf(clientId, now),
  };
}

type Previewed = SessionEvent & { tag: 'previewed' };

class JobBoard {
  readonly #live: LiveJobs;
  readonly #sessions: SessionWatches;
  readonly #early = earlyEvents();
  readonly #watched = watchers<undefined>();
  readonly #queues: ServerQueues;
  readonly #starts: StartTimes;
  readonly #timing: Timing;
  readonly #report: Report;
  readonly #durationsOn: (serverUrl: string) => Durations;
  readonly #hasRoom: (bytes: number) => boolean;

  constructor(
    timing: Timing,
    report: Report,
    durationsOn: (serverUrl: string) => Durations,
    hasRoom: (bytes: number) => boolean,
  ) {
    this.#timing = timing;
    this.#report = report;
    this.#durationsOn = durationsOn;
    this.#hasRoom = hasRoom;
    this.#sessions = new SessionWatches(timing);
    this.#live = new LiveJobs(report);
    this.#queues = new ServerQueues(this.#live.index, timing);
    this.#starts = startTimes(this.#live.index.ofServer);
  }

  get view(): Omit<BoardView, 'changed'> {
    const { index } = this.#live;
    return {
      ...{ jobs: index.jobs, run: index.run, ofSession: index.ofSession, ofServer: index.ofServer },
      ...{ countOf: index.countOf, countOfSession: index.countOfSession, countOfUser: index.countOfUser },
      nodesOfUser: index.nodesOfUser,
      ...{ mayRunAgain: index.mayRunAgain, overdue: index.overdue },
      job: (promptId) => this.#live.get(promptId),
      session: (clientId) => this.#sessions.get(clientId),
      queueRemaining: (serverUrl) => this.#queues.remaining(serverUrl),
    };
  }

  take(event: BoardEvent): readonly Change[] {
    const changes = this.#take(event);
    for (const promptId of this.#live.touched()) this.#watched.tell(promptId, undefined);
    if (event.tag === 'linked') this.#watched.tell(event.clientId, undefined);
    return changes;
  }

  #take(event: BoardEvent): readonly Change[] {
    switch (event.tag) {
      case 'opened':
        return this.#live.guarded(event.job, event.job.state.updatedAt, () => this.#open(event.job));
      case 'released':
        this.#live.forget(event.promptId);
        return [{ tag: 'released', promptId: event.promptId }];
      case 'brokeHere':
        return this.#live.broke(this.#live.get(event.state.promptId) ?? jobOf(event.state), event.error, event.at);
      case 'silent':
        return this.#silent(event);
      case 'suspected': {
        const job = this.#live.get(event.promptId);
        return job === undefined ? [] : this.#live.keep(job, lookedUpBy(job, event.at));
      }
      case 'clock':
        return this.#ticked(event.at);
      case 'sessionOver':
        this.#sessions.delete(event.clientId);
        return [];
      case 'queueLength':
        this.#queues.told(event);
        return [];
      default:
        return 'clientId' in event && event.tag !== 'posting' ? this.#sessionTold(event) : this.#jobTold(event);
    }
  }

  changed(key: string): Observable<unknown> {
    return this.#watched.changes(key);
  }

  due(serverUrl: string, now: number): readonly Job[] {
    return this.#queues.due(serverUrl, now);
  }

  reopenIfDeaf(clientId: string, now: number): boolean {
    const { index } = this.#live;
    const todo = this.#sessions.remedy(clientId, index.countRunning(clientId) > 0, now);
    if (todo === 'ask') for (const job of index.ofClient(clientId)) index.put(lookedUpBy(job, now));
    return todo === 'reopen';
  }

  #open(job: Job): readonly Change[] {
    const { promptId, updatedAt, serverUrl } = job.state;
    const runId = runIdOf(job.state);
    // Taken up already: what is known of it is newer.
    if (this.#live.get(promptId) !== undefined) return [];
    if (this.#live.index.run(runId) !== undefined) return this.#live.broke(job, new RefusedRunId(promptId), updatedAt);
    const taken = { ...job, durations: this.#durationsOn(serverUrl), linked: this.#sessions.isLinked(job.state) };
    return [...this.#live.keep(undefined, taken), ...this.#heardEarly(runId)];
  }

  #silent({ promptId, since, at }: BoardEvent & { tag: 'silent' }): readonly Change[] {
    const job = this.#live.get(promptId);
    if (job === undefined || job.state.silentSince !== undefined) return [];
    return this.#live.keep(job, silenced(job, since, at));
  }

  /** The bars of the jobs that run go on by the clock, and those that wait move up. */
  #ticked(at: number): readonly Change[] {
    const running = this.#live.index.running();
    const moved = this.#queues.moved(at).flatMap((job) => {
      const before = this.#live.get(job.state.promptId);
      if (before === undefined) return [];
      return this.#live.guarded(before, at, () => this.#live.keep(before, withStart(this.#starts, job, before, at)));
    });
    return [...moved, ...running.flatMap(({ state: { promptId } }) => this.#jobTold({ tag: 'ticked', promptId, at }))];
  }

  /** What came of a run before its job was known. */
  #heardEarly(runId: string): readonly Change[] {
    return this.#early.take(runId).flatMap((event) => this.#take(event));
  }

  #jobTold(event: JobEvent): readonly Change[] {
    const before = this.#live.addressedBy(event);
    if (before === undefined) {
      this.#early.keep(event);
      return [];
    }
    return this.#live.guarded(before, event.at, () => this.#advanced(before, event));
  }

  #advanced(before: Job, event: JobEvent): readonly Change[] {
    const given = 'runId' in event && event.tag !== 'posting' ? event.runId : undefined;
    const known = this.#claimed(before, given, event.at);
    const after = spoken(this.#relinked(advance(known, event, this.#timing), event), event);
    this.#sessions.jobTold(before, after, event);
    const placed = this.#inQueue(before, after, event);
    const started = event.tag === 'found' ? withStart(this.#starts, placed, before, event.at) : placed;
    const changes = [...this.#live.keep(before, started), ...this.#measured(before, after, event.at)];
    return known === before ? changes : [...changes, ...this.#heardEarly(runIdOf(known.state))];
  }

  /** An old server's id is believed only of the run that was posted, and only where no other job goes by it. */
  #claimed(job: Job, runId: string | undefined, at: number): Job {
    if (runId === undefined || runId === runIdOf(job.state)) return job;
    const other = this.#live.index.run(runId) ?? this.#live.get(runId);
    if (!isRunId(runId) || (other !== undefined && other !== job)) {
      this.#report('run id', new RefusedRunId(job.state.promptId));
      return job;
    }
    return restated(job, { ...job.state, runId }, at);
  }

  /** A run that is posted anew is heard of by the session it is posted under. */
  #relinked(job: Job, { tag }: JobEvent): Job {
    if (tag !== 'posting') return job;
    return { ...job, linked: this.#sessions.isLinked(job.state), durations: this.#durationsOn(job.state.serverUrl) };
  }

  /** What the event says of the server's queue; and the job, in the place that follows. */
  #inQueue(before: Job, after: Job, event: JobEvent): Job {
    const { clientId, serverUrl } = after.state;
    if (isAtServer(before) && !isAtServer(after)) this.#queues.of(before.state.serverUrl).ended(before);
    if (event.tag === 'found') this.#queues.of(serverUrl).found(after);
    if (event.tag !== 'accepted' || !isAtServer(after)) return after;
    const isTold = clientId !== undefined && (this.#sessions.get(clientId)?.heardAt ?? 0) >= event.postedAt;
    return this.#queues.of(serverUrl).accepted(after, event.at, event.isOutOfTurn === true, isTold);
  }

  #measured(before: Job, after: Job, at: number): readonly Change[] {
    const run = measuredRun(before, after);
    if (run === undefined) return [];
    const { serverUrl } = after.state;
    this.#starts.took(serverUrl, at - run.startedAt);
    return [{ tag: 'measured', serverUrl, run, at }];
  }

  #sessionTold(event: SessionEvent): readonly Change[] {
    const { clientId, at } = event;
    const { index } = this.#live;
    this.#sessions.told(event);
    switch (event.tag) {
      case 'heard':
      case 'inherited':
        return [];
      case 'linked':
        // R6: whatever was missed, one look each tells.
        return this.#live.each(index.ofClient(clientId), at, (job) => linkedAt(job, at));
      case 'unlinked':
        this.#early.spoil();
        return this.#live.each(index.ofClient(clientId), at, (job) => unlinkedAt(job, at, this.#timing));
      case 'garbled':
        this.#early.spoil();
        return this.#live.each(index.ofClient(clientId), at, notWhole);
      case 'resumed': {
        const job = index.theRunning(clientId);
        if (job === undefined) return [];
        return this.#jobTold({ tag: 'executing', nodeId: event.nodeId, promptId: runIdOf(job.state), at });
      }
      case 'previewed':
        return this.#previewed(event);
    }
  }

  #previewed(event: Previewed): readonly Change[] {
    const { mimeType, image } = event;
    const { index } = this.#live;
    const job = event.promptId === undefined ? index.theRunning(event.clientId) : index.run(event.promptId);
    const nodeId = event.nodeId ?? job?.state.node?.id;
    if (job === undefined || nodeId === undefined) return [];
    const preview: Change = { tag: 'preview', preview: { promptId: job.state.promptId, nodeId, mimeType, image } };
    return [preview, ...this.#live.guarded(job, event.at, () => this.#pictured(job, nodeId, event))];
  }

  #pictured(job: Job, nodeId: string, event: Previewed): readonly Change[] {
    const picture = this.#hasRoom(event.image.length) ? pictureIn(job, nodeId, event) : undefined;
    return picture === undefined ? [] : [picture.file, ...this.#jobTold(picture.event)];
  }
}
