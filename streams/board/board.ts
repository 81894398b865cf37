import { advance } from '../job/advance/advance';
import { givenUp } from '../job/advance/derive';
import { internalError } from '../job/failures';
import type { JobEvent, SessionEvent } from '../job/job-event';
import { jobOf, lookedUpBy, notWhole, type Job } from '../job/job';
import { pictureNode, pictureOf } from '../job/job-outputs';
import { isSettled, runIdOf, type JobState } from '../job/job-state';
import { isRunId } from '../job/run-id';
import { byName, type Durations } from '../job/progress/plan/expected';
import type { Timing } from '../job/timing';
import type { Report } from '../operators/reporting';
import { JobBroke, RefusedRunId, addressedByJob, type Board, type BoardEvent, type Change } from './board-event';
import { strays } from './early-events';
import { jobIndex } from './job-index';
import { linkedAt, restated, silenced, spoken, unlinkedAt } from './job-updates';
import { dueAt, lookedAt, toldLength, withQueueBound, type QueueLength } from './queue-length';
import { advanceSession, hearing, remedy, reopening, sessionWatch, type SessionWatch } from './session-watch';
import { startTimes } from './start-times';

export type { Board, BoardEvent, BoardView, Change, Picture, Preview } from './board-event';

export function jobBoard(
  timing: Timing,
  report: Report = () => undefined,
  durationsOn: (serverUrl: string) => Durations = () => byName,
): Board {
  const index = jobIndex();
  const { jobs } = index;
  const sessions = new Map<string, SessionWatch>();
  const unclaimed = strays();
  const queues = new Map<string, QueueLength>();
  const starts = startTimes(index.ofServer);

  const sessionOf = (clientId: string): SessionWatch => sessions.get(clientId) ?? sessionWatch(clientId);
  const isLinked = ({ clientId }: JobState): boolean => clientId !== undefined && sessionOf(clientId).open;

  const keep = (before: Job | undefined, changed: Job): readonly Change[] => {
    const job = before === undefined ? changed : oneChange(before, changed);
    const { promptId } = job.state;
    if (isSettled(job.state)) index.delete(promptId);
    else index.put(job);
    const told: readonly Change[] = before?.state === job.state ? [] : [{ tag: 'state', state: job.state }];
    const again = job.stage.tag === 'betweenRuns' && before?.stage.tag !== 'betweenRuns';
    return again ? [...told, { tag: 'runAgain', promptId, failure: job.stage.failure }] : told;
  };

  const broke = (job: Job, error: unknown, at: number): readonly Change[] => {
    report('job', new JobBroke(job.state.promptId, error));
    return keep(job, givenUp(job, internalError, at));
  };
  /** R15: the one place where a mistake of ours at one job becomes that job's end. */
  const guarded = (job: Job, at: number, work: () => readonly Change[]): readonly Change[] => {
    try {
      return work();
    } catch (error) {
      return broke(jobs.get(job.state.promptId) ?? job, error, at);
    }
  };
  const each = (some: readonly Job[], at: number, work: (job: Job) => Job): readonly Change[] =>
    some.flatMap((job) => guarded(job, at, () => keep(job, work(job))));

  const addressed = ({ promptId: id, tag }: JobEvent): Job | undefined =>
    addressedByJob.has(tag) ? (jobs.get(id) ?? index.run(id)) : index.run(id);

  const early = (runId: string): readonly Change[] => unclaimed.take(runId).flatMap(take);

  const open = (job: Job): readonly Change[] => {
    const { promptId, updatedAt } = job.state;
    // Taken up already: what is known of it is newer.
    if (jobs.has(promptId)) return [];
    if (index.run(runIdOf(job.state)) !== undefined) return broke(job, new RefusedRunId(promptId), updatedAt);
    const durations = durationsOn(job.state.serverUrl);
    return [...keep(undefined, { ...job, durations, linked: isLinked(job.state) }), ...early(runIdOf(job.state))];
  };

  /** An old server's id is believed only of the run that was posted, and only where no other job goes by it. */
  const claimed = (job: Job, runId: string | undefined, at: number): Job => {
    if (runId === undefined || runId === runIdOf(job.state)) return job;
    const other = index.run(runId) ?? jobs.get(runId);
    if (!isRunId(runId) || (other !== undefined && other !== job)) {
      report('run id', new RefusedRunId(job.state.promptId));
      return job;
    }
    return restated(job, { ...job.state, runId }, at);
  };

  const takeJobEvent = (event: JobEvent): readonly Change[] => {
    const before = addressed(event);
    if (before === undefined) {
      unclaimed.keep(event);
      return [];
    }
    return guarded(before, event.at, () => advanced(before, event));
  };
  const advanced = (before: Job, event: JobEvent): readonly Change[] => {
    const given = 'runId' in event && event.tag !== 'posting' ? event.runId : undefined;
    const known = claimed(before, given, event.at);
    const after = spoken(relinked(advance(known, event, timing), event), event);
    const { clientId } = after.state;
    if (clientId !== undefined) {
      const session = sessionOf(clientId);
      const heard = hearing(session, before, after, event, timing);
      if (heard !== session) sessions.set(clientId, heard);
    }
    const placed = event.tag === 'accepted' ? withNewsOfQueue(after, event) : after;
    const changes = keep(before, event.tag === 'found' ? withStart(placed, before, event.at) : placed);
    const measured = measuredBy(before, after, event.at);
    return known === before ? [...changes, ...measured] : [...changes, ...measured, ...early(runIdOf(known.state))];
  };

  /** What a run that was seen from its start to its good end took. */
  const measuredBy = ({ stage }: Job, { state }: Job, at: number): readonly Change[] => {
    if (state.status !== 'completed' || stage.tag !== 'watched' || !stage.whole) return [];
    const { run } = stage;
    if (run === undefined || run.isLate) return [];
    starts.took(state.serverUrl, at - run.startedAt);
    return [{ tag: 'measured', serverUrl: state.serverUrl, run, at }];
  };

  /** A waiting job with the time to its start, where it is another by more than a tenth. */
  const withStart = (job: Job, known: Job, at: number): Job => {
    const { etaMs: before, ...state } = job.state;
    const startsIn = state.status === 'queued' ? starts.startsIn(job, at) : undefined;
    if (state.status !== 'queued' || startsIn === before) return job;
    const etaMs = startsIn === undefined ? undefined : Math.round(startsIn);
    if (etaMs !== undefined && before !== undefined && Math.abs(etaMs - before) <= before / 10) return job;
    // One change where the look changed something already.
    const seq = job.state === known.state ? state.seq + 1 : state.seq;
    const told = { ...state, ...(etaMs !== undefined && { etaMs }), seq };
    return { ...job, state: { ...told, updatedAt: Math.max(at, state.updatedAt) } };
  };

  /** A run that is posted anew is heard of by the session it is posted under. */
  const relinked = (job: Job, { tag }: JobEvent): Job =>
    tag === 'posting' ? { ...job, linked: isLinked(job.state), durations: durationsOn(job.state.serverUrl) } : job;

  /** The `status` that a new job causes may come before ComfyUI's answer to its post. */
  const withNewsOfQueue = (job: Job, { postedAt, at }: JobEvent & { tag: 'accepted' }): Job => {
    const { clientId, serverUrl } = job.state;
    const queue = queues.get(serverUrl);
    const heard = clientId !== undefined && sessionOf(clientId).heardAt >= postedAt;
    if (queue === undefined || !heard) return job;
    // Somebody may have come in between: where others wait, the place is looked up.
    if (queue.remaining > 1) queues.set(serverUrl, { ...queue, lookAt: Math.min(queue.lookAt, at + timing.soonMs) });
    return withQueueBound(job, queue.remaining, at);
  };

  const takeSessionEvent = (event: SessionEvent): readonly Change[] => {
    const { clientId, at } = event;
    sessions.set(clientId, advanceSession(sessionOf(clientId), event, timing));
    switch (event.tag) {
      case 'heard':
      case 'inherited':
        return [];
      case 'linked':
        // R6: whatever was missed, one look each tells.
        return each(index.ofClient(clientId), at, (job) => linkedAt(job, at));
      case 'unlinked':
        unclaimed.spoil();
        return each(index.ofClient(clientId), at, (job) => unlinkedAt(job, at, timing));
      case 'garbled':
        unclaimed.spoil();
        return each(index.ofClient(clientId), at, notWhole);
      case 'resumed': {
        const job = index.theRunning(clientId);
        if (job === undefined) return [];
        return takeJobEvent({ tag: 'executing', nodeId: event.nodeId, promptId: runIdOf(job.state), at });
      }
      case 'previewed': {
        const job = event.promptId === undefined ? index.theRunning(clientId) : index.run(event.promptId);
        const nodeId = event.nodeId ?? job?.state.node?.id;
        if (job === undefined || nodeId === undefined) return [];
        const { mimeType, image } = event;
        const preview: Change = { tag: 'preview', preview: { promptId: job.state.promptId, nodeId, mimeType, image } };
        return [preview, ...guarded(job, at, () => picture(job, nodeId, event))];
      }
    }
  };

  /** A picture that a node made for the socket alone is an output; a preview of any other is not. */
  const picture = (
    job: Job,
    nodeId: string,
    { mimeType, image, at }: SessionEvent & { tag: 'previewed' },
  ): readonly Change[] => {
    const own = pictureNode(job, nodeId, mimeType);
    const output = own === undefined ? undefined : pictureOf(job, own, mimeType, image.length);
    if (output === undefined) return [];
    const { promptId } = job.state;
    const file: Change = { tag: 'pictured', picture: { promptId, filename: output.filename, mimeType, bytes: image } };
    return [file, ...takeJobEvent({ tag: 'pictured', promptId: runIdOf(job.state), at, output, bytes: image.length })];
  };

  const takeSilence = ({ promptId, since, at }: BoardEvent & { tag: 'silent' }): readonly Change[] => {
    const job = jobs.get(promptId);
    return job === undefined || job.state.silentSince !== undefined ? [] : keep(job, silenced(job, since, at));
  };

  function take(event: BoardEvent): readonly Change[] {
    switch (event.tag) {
      case 'opened':
        return guarded(event.job, event.job.state.updatedAt, () => open(event.job));
      case 'released':
        index.delete(event.promptId);
        return [{ tag: 'released', promptId: event.promptId }];
      case 'brokeHere':
        return broke(jobs.get(event.state.promptId) ?? jobOf(event.state), event.error, event.at);
      case 'silent':
        return takeSilence(event);
      case 'suspected': {
        const job = jobs.get(event.promptId);
        return job === undefined ? [] : keep(job, lookedUpBy(job, event.at));
      }
      case 'clock':
        return index
          .running()
          .flatMap(({ state: { promptId } }) => takeJobEvent({ tag: 'ticked', promptId, at: event.at }));
      case 'sessionOver':
        sessions.delete(event.clientId);
        return [];
      case 'queueLength': {
        const { serverUrl } = event;
        queues.set(serverUrl, toldLength(queues.get(serverUrl), event, index.countOf(serverUrl), timing));
        return [];
      }
      default:
        return 'clientId' in event && event.tag !== 'posting' ? takeSessionEvent(event) : takeJobEvent(event);
    }
  }

  return {
    ...{ take, jobs, run: index.run, ofSession: index.ofSession, ofServer: index.ofServer },
    ...{ countOf: index.countOf, countOfSession: index.countOfSession, countOfUser: index.countOfUser },
    ...{ mayRunAgain: index.mayRunAgain, overdue: index.overdue },
    job: (promptId) => jobs.get(promptId),
    session: (clientId) => sessions.get(clientId),
    queueRemaining: (serverUrl) => queues.get(serverUrl)?.remaining,
    due: (serverUrl, now) => {
      const queue = queues.get(serverUrl);
      const queueDue = queue !== undefined && queue.lookAt <= now;
      if (queueDue) queues.set(serverUrl, lookedAt(queue, now, index.countOf(serverUrl), timing));
      return dueAt(index, serverUrl, queueDue ? queue.remaining : undefined, now, timing);
    },
    reopenIfDeaf: (clientId, now) => {
      const session = sessions.get(clientId);
      const todo = session === undefined ? 'none' : remedy(session, index.countRunning(clientId) > 0, now);
      if (todo === 'ask') for (const job of index.ofClient(clientId)) index.put(lookedUpBy(job, now));
      if (session === undefined || todo !== 'reopen') return false;
      sessions.set(clientId, reopening(session, timing));
      return true;
    },
  };
}

/** However many things an event changed, its job has changed once. */
const oneChange = ({ state: { seq } }: Job, job: Job): Job =>
  job.state.seq <= seq + 1 ? job : { ...job, state: { ...job.state, seq: seq + 1 } };
