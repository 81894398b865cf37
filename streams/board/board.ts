import { BehaviorSubject, type Observable } from 'rxjs';
import type { SessionEvent } from '../job/job-event';
import { jobOf, notWhole, type Job } from '../job/job';
import { lookedUpBy } from '../job/advance/next-look';
import { runIdOf } from '../job/job-state';
import { byName, type Durations } from '../job/progress/plan/expected';
import type { Timing } from '../job/timing';
import { watchers } from '../maps/keyed-watchers';
import type { Report } from '../operators/reporting';
import type { Board, BoardEvent, BoardView, Change } from './board-event';
import { earlyEvents } from './early-events';
import { JobNews } from './job-news';
import { linkedAt, pictureIn, unlinkedAt } from './job-updates';
import { LiveJobs } from './live-jobs';
import { ServerQueues } from './queue/server-queues';
import { SessionWatches } from './session-watch';

export type { Board, BoardEvent, BoardView, Change, Picture, Preview } from './board-event';

/**
 * An empty board. `durationsOn` knows how long nodes took on a server; `hasRoom` says whether a picture of this many
 * bytes can be kept now; `isFollowed` whether anybody follows a job.
 */
export function jobBoard(
  timing: Timing,
  report: Report = () => undefined,
  durationsOn: (serverUrl: string) => Durations = () => byName,
  hasRoom: (bytes: number) => boolean = () => true,
  isFollowed: (promptId: string) => boolean = () => true,
): Board {
  const board = new JobBoard(timing, { report, durationsOn, hasRoom, isFollowed });
  return {
    ...board.view,
    changed: (promptId) => board.changed(promptId),
    take: (event) => board.take(event),
    due: (serverUrl, now) => board.due(serverUrl, now),
    reopenIfDeaf: (clientId, now) => board.reopenIfDeaf(clientId, now),
    hurried$: board.hurried(),
  };
}

interface Given {
  readonly report: Report;
  readonly durationsOn: (serverUrl: string) => Durations;
  readonly hasRoom: (bytes: number) => boolean;
  readonly isFollowed: (promptId: string) => boolean;
}

type Previewed = SessionEvent & { tag: 'previewed' };

class JobBoard {
  readonly #hurried$ = new BehaviorSubject(false);
  readonly #live: LiveJobs;
  readonly #sessions: SessionWatches;
  readonly #early = earlyEvents();
  readonly #watched = watchers<undefined>();
  readonly #queues: ServerQueues;
  readonly #news: JobNews;
  readonly #timing: Timing;
  readonly #hasRoom: (bytes: number) => boolean;

  constructor(timing: Timing, { report, durationsOn, hasRoom, isFollowed }: Given) {
    this.#timing = timing;
    this.#hasRoom = hasRoom;
    this.#sessions = new SessionWatches(timing);
    this.#live = new LiveJobs(report);
    this.#queues = new ServerQueues(this.#live.index, timing);
    this.#news = new JobNews({
      live: this.#live,
      sessions: this.#sessions,
      early: this.#early,
      queues: this.#queues,
      timing,
      report,
      durationsOn,
      isFollowed,
    });
  }

  get view(): Omit<BoardView, 'changed'> {
    return {
      ...this.#live.index.reads,
      job: (promptId) => this.#live.get(promptId),
      session: (clientId) => this.#sessions.get(clientId),
      queueRemaining: (serverUrl) => this.#queues.remaining(serverUrl),
    };
  }

  take(event: BoardEvent): readonly Change[] {
    const changes = this.#take(event);
    for (const promptId of this.#live.touched()) this.#watched.tell(promptId, undefined);
    const isHurried = this.#news.isHurried();
    if (isHurried !== this.#hurried$.value) this.#hurried$.next(isHurried);
    return changes;
  }

  #take(event: BoardEvent): readonly Change[] {
    switch (event.tag) {
      case 'opened':
        return this.#live.guarded(event.job, event.job.state.updatedAt, () => this.#news.open(event.job));
      case 'released':
        this.#live.forget(event.promptId);
        return [{ tag: 'released', promptId: event.promptId }];
      case 'brokeHere':
        return this.#live.broke(this.#live.get(event.state.promptId) ?? jobOf(event.state), event.error, event.at);
      case 'silent':
        return this.#news.silent(event);
      case 'suspected': {
        const job = this.#live.get(event.promptId);
        return job === undefined ? [] : this.#live.keep(job, lookedUpBy(job, event.at));
      }
      case 'clock':
        return this.#news.ticked(event.at);
      case 'moment':
        return this.#news.movedOn(event.at);
      case 'sessionOver':
        this.#sessions.delete(event.clientId);
        return [];
      case 'queueLength':
      case 'queueSeen':
        this.#news.queueTold(event);
        return [];
      case 'inherited':
      case 'evicted':
      case 'linked':
      case 'unlinked':
      case 'heard':
      case 'garbled':
      case 'resumed':
      case 'previewed':
        return this.#sessionTold(event);
      default:
        // Compiles for job events only, so each other kind of event must have a case above.
        return this.#news.told(event);
    }
  }

  changed(promptId: string): Observable<unknown> {
    return this.#watched.changes(promptId);
  }

  hurried(): Observable<boolean> {
    return this.#hurried$.asObservable();
  }

  due(serverUrl: string, now: number): readonly Job[] {
    return this.#queues.due(serverUrl, now);
  }

  reopenIfDeaf(clientId: string, now: number): boolean {
    const { index } = this.#live;
    const jobs = { running: index.countRunning(clientId), all: index.countOfSession(clientId) };
    const todo = this.#sessions.remedy(clientId, jobs, now);
    if (todo === 'ask') for (const job of index.ofClient(clientId)) index.put(lookedUpBy(job, now));
    return todo === 'reopen';
  }

  #sessionTold(event: SessionEvent): readonly Change[] {
    const { clientId, at } = event;
    const { index } = this.#live;
    this.#sessions.told(event);
    switch (event.tag) {
      case 'heard':
      case 'inherited':
      case 'evicted':
        return [];
      case 'linked':
        // R6: one look at each job tells what was missed.
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
        return this.#news.told({
          tag: 'executing',
          nodeId: event.nodeId,
          isGreeting: true,
          promptId: runIdOf(job.state),
          at,
        });
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
    return picture === undefined ? [] : [picture.file, ...this.#news.told(picture.event)];
  }
}
