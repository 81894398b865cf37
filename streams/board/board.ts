import { advance } from '../job/advance';
import type { JobEvent, QueueEvent, SessionEvent } from '../job/job-event';
import type { Job } from '../job/job';
import { pictureNode, pictureOf } from '../job/job-outputs';
import { isSettled, runIdOf, type Failure, type JobState } from '../job/job-state';
import {
  advanceSession,
  answered,
  expecting,
  flowing,
  remedy,
  reopening,
  sessionWatch,
  type SessionWatch,
} from './session-watch';
import { strays } from './early-events';
import type { Timing } from '../job/timing';

/** Everything that can happen to the jobs of an instance. */
export type BoardEvent =
  | JobEvent
  | SessionEvent
  | QueueEvent
  /** A job is taken up. */
  | { readonly tag: 'opened'; readonly job: Job }
  /** An old server took the workflow under an id of its own. */
  | { readonly tag: 'adopted'; readonly promptId: string; readonly as: string; readonly at: number }
  /** Somebody was told the job's id: it goes by that for good. */
  | { readonly tag: 'told'; readonly promptId: string }
  /** The job is another's now, or was never posted. */
  | { readonly tag: 'released'; readonly promptId: string };

/** A preview image, by the job and node that it shows. */
export interface Preview {
  readonly promptId: string;
  readonly nodeId: string;
  readonly mimeType: string;
  readonly image: Uint8Array;
}

/** A picture that came over the socket, as it is kept with its job. */
export interface Picture {
  readonly promptId: string;
  readonly filename: string;
  readonly mimeType: string;
  readonly bytes: Uint8Array;
}

/** What an event led to. */
export type Change =
  | { readonly tag: 'state'; readonly state: JobState }
  | { readonly tag: 'preview'; readonly preview: Preview }
  /** A picture came that is an output: its bytes are to be kept with the job, before a state names it. */
  | { readonly tag: 'pictured'; readonly picture: Picture }
  /** The job goes by another id from now on: an old server gave it that. */
  | { readonly tag: 'renamed'; readonly promptId: string; readonly as: JobState }
  /** The job is another's now: whoever watches it here has to look elsewhere. */
  | { readonly tag: 'released'; readonly promptId: string }
  /** A run failed that may be repeated: somebody must post it. */
  | { readonly tag: 'runAgain'; readonly promptId: string; readonly failure: Failure };

/**
 * The live jobs of one instance and the sessions that bring their news. The one place in `streams/` that holds
 * something: filled by `take` alone, which only the page calls, read by whoever needs the present.
 */
export interface Board {
  /** Takes one event in and tells what changed by it. */
  take(event: BoardEvent): readonly Change[];
  job(promptId: string): Job | undefined;
  /** The job whose present run goes by this id at ComfyUI. */
  run(runId: string): Job | undefined;
  session(clientId: string): SessionWatch | undefined;
  /** The server's jobs that are to be looked up now. */
  due(serverUrl: string, now: number): readonly Job[];
  /** Whether the session's socket should be opened anew; asking counts as doing. Has the session's jobs looked up first, where that may tell. */
  takeDeaf(clientId: string, now: number): boolean;
  /** How many jobs a server last said it has in hand. */
  queueRemaining(serverUrl: string): number | undefined;
  /** Unsettled jobs. */
  readonly jobs: ReadonlyMap<string, Job>;
}

/** What we do to a job ourselves is addressed to the job, whichever run it is in. */
const ownFacts: ReadonlySet<JobEvent['tag']> = new Set<JobEvent['tag']>([
  'cancelAsked',
  'posting',
  'refused',
  'abandoned',
]);

/** What only a look can tell. */
const lookFacts: ReadonlySet<JobEvent['tag']> = new Set<JobEvent['tag']>([
  'found',
  'ended',
  'absent',
  'unended',
  'unreadable',
]);

export function jobBoard(timing: Timing): Board {
  const jobs = new Map<string, Job>();
  /** Which job a run is of, where ComfyUI knows it under another id. */
  const runs = new Map<string, string>();
  const sessions = new Map<string, SessionWatch>();
  const unclaimed = strays();
  const queues = new Map<string, number>();

  const sessionOf = (clientId: string): SessionWatch => sessions.get(clientId) ?? sessionWatch(clientId);
  const jobsOf = (clientId: string): Job[] => [...jobs.values()].filter((job) => job.state.clientId === clientId);
  const runningOf = (clientId: string): Job[] => jobsOf(clientId).filter((job) => job.state.status === 'processing');
  /** The one that runs. Where it may be either of two, a guess might show one user's work to another (R5, R13). */
  const theRunning = (clientId: string): Job | undefined => {
    const [job, ...others] = runningOf(clientId);
    return others.length === 0 ? job : undefined;
  };

  const forget = ({ promptId, runId }: Pick<JobState, 'promptId' | 'runId'>): void => {
    jobs.delete(promptId);
    if (runId !== undefined) runs.delete(runId);
  };

  const keep = (before: Job | undefined, job: Job): readonly Change[] => {
    const { promptId, runId } = job.state;
    if (before !== undefined && before.state.runId !== runId) forget(before.state);
    if (isSettled(job.state)) forget(job.state);
    else {
      jobs.set(promptId, job);
      if (runId !== undefined) runs.set(runId, promptId);
    }
    const told: readonly Change[] = before?.state === job.state ? [] : [{ tag: 'state', state: job.state }];
    const again = job.runAgain !== undefined && before?.runAgain === undefined;
    return again ? [...told, { tag: 'runAgain', promptId, failure: job.runAgain }] : told;
  };

  const run = (id: string): Job | undefined => {
    const job = jobs.get(runs.get(id) ?? id);
    return job !== undefined && runIdOf(job.state) === id ? job : undefined;
  };
  const addressed = ({ promptId: id, tag }: JobEvent): Job | undefined =>
    ownFacts.has(tag) ? jobs.get(runs.get(id) ?? id) : run(id);

  const open = (job: Job): readonly Change[] => {
    const linked = job.state.clientId !== undefined && sessionOf(job.state.clientId).open;
    return [...keep(undefined, { ...job, linked }), ...unclaimed.take(runIdOf(job.state)).flatMap(take)];
  };

  const adopt = (job: Job, promptId: string, at: number): readonly Change[] => {
    forget(job.state);
    const id = job.untold ? { promptId } : { runId: promptId };
    const state = { ...job.state, ...id, seq: job.state.seq + 1, updatedAt: at };
    const renamed: readonly Change[] = job.untold ? [{ tag: 'renamed', promptId: job.state.promptId, as: state }] : [];
    return [...renamed, ...open({ ...job, untold: false, state })];
  };

  const takeJobEvent = (event: JobEvent): readonly Change[] => {
    const before = addressed(event);
    if (before === undefined) {
      unclaimed.keep(event);
      return [];
    }
    const after = relinked(advance(before, event, timing), event);
    const { clientId } = after.state;
    if (clientId !== undefined) {
      const session = sessionOf(clientId);
      if (isNews(session, before, event, timing)) sessions.set(clientId, expecting(session, event.at + timing.deafMs));
      else if (after.heardAt > before.heardAt) sessions.set(clientId, flowing(session, timing));
      if (lookFacts.has(event.tag)) sessions.set(clientId, answered(sessionOf(clientId), event.at));
    }
    return keep(before, event.tag === 'accepted' ? withNewsOfQueue(after, event) : after);
  };

  /** A run that is posted anew is heard of by the session it is posted under. */
  const relinked = (job: Job, { tag }: JobEvent): Job =>
    tag === 'posting' ? { ...job, linked: sessionOf(job.state.clientId ?? '').open } : job;

  /** The `status` that a new job causes may come before ComfyUI's answer to its post. */
  const withNewsOfQueue = (job: Job, { postedAt, at }: JobEvent & { tag: 'accepted' }): Job => {
    const { clientId, serverUrl } = job.state;
    const remaining = queues.get(serverUrl);
    const heard = clientId !== undefined && sessionOf(clientId).heardAt >= postedAt;
    return remaining === undefined || !heard ? job : withQueueBound(job, remaining, at);
  };

  const takeSessionEvent = (event: SessionEvent): readonly Change[] => {
    sessions.set(event.clientId, advanceSession(sessionOf(event.clientId), event, timing));
    switch (event.tag) {
      case 'heard':
      case 'inherited':
        return [];
      case 'linked':
        // R6: whatever was missed, one look each tells.
        return jobsOf(event.clientId).flatMap((job) => {
          const lookAt = job.accepted ? event.at : job.lookAt;
          return keep(job, { ...job, linked: true, lookAt, state: job.state });
        });
      case 'unlinked':
        unclaimed.spoil();
        return jobsOf(event.clientId).flatMap((job) => {
          const lookAt = job.accepted ? Math.min(job.lookAt, event.at + timing.takeoverMs) : job.lookAt;
          return keep(job, { ...job, linked: false, whole: false, lookAt });
        });
      case 'garbled':
        unclaimed.spoil();
        return jobsOf(event.clientId).flatMap((job) => keep(job, { ...job, whole: false }));
      case 'resumed': {
        const job = theRunning(event.clientId);
        if (job === undefined) return [];
        return takeJobEvent({ tag: 'executing', nodeId: event.nodeId, promptId: runIdOf(job.state), at: event.at });
      }
      case 'previewed': {
        const job = event.promptId === undefined ? theRunning(event.clientId) : run(event.promptId);
        const nodeId = event.nodeId ?? job?.state.node?.id;
        if (job === undefined || nodeId === undefined) return [];
        const { mimeType, image } = event;
        const preview: Change = { tag: 'preview', preview: { promptId: job.state.promptId, nodeId, mimeType, image } };
        return [preview, ...picture(job, nodeId, event)];
      }
    }
  };

  /** A picture that a node made for the socket alone is an output; a preview of any other is not. */
  const picture = (
    job: Job,
    nodeId: string,
    { mimeType, image, at }: SessionEvent & { tag: 'previewed' },
  ): readonly Change[] => {
    const own = pictureNode(job, nodeId);
    const output = own === undefined ? undefined : pictureOf(job, own, mimeType, image.length);
    if (output === undefined) return [];
    const file: Change = {
      tag: 'pictured',
      picture: { promptId: job.state.promptId, filename: output.filename, mimeType, bytes: image },
    };
    const promptId = runIdOf(job.state);
    return [file, ...takeJobEvent({ tag: 'pictured', promptId, at, output, bytes: image.length })];
  };

  /** A queue shorter than our jobs in it has lost some; one that moved may have ended a job that no frame tells of. */
  const takeQueueLength = ({ serverUrl, remaining, at }: QueueEvent): readonly Change[] => {
    const ended = Math.max(0, (queues.get(serverUrl) ?? remaining) - remaining);
    queues.set(serverUrl, remaining);
    const ours = [...jobs.values()].filter((job) => job.accepted && job.state.serverUrl === serverUrl);
    return ours.flatMap((job) => {
      // One that was not found already is looked for in its own time (R4), however many more such news come.
      const isMissed = job.absences.count > 0 && !job.cancelAsked;
      const suspicious = !isMissed && (remaining < ours.length || !job.linked || job.cancelAsked);
      const lookAt = suspicious ? Math.min(job.lookAt, at + timing.soonMs) : job.lookAt;
      return keep(job, withQueueBound({ ...job, lookAt }, remaining, at, ended));
    });
  };

  function take(event: BoardEvent): readonly Change[] {
    switch (event.tag) {
      case 'opened':
        // Taken up already: what is known of it is newer.
        return jobs.has(event.job.state.promptId) ? [] : open(event.job);
      case 'adopted': {
        const job = run(event.promptId);
        return job === undefined ? [] : adopt(job, event.as, event.at);
      }
      case 'told': {
        const job = jobs.get(event.promptId);
        return job === undefined ? [] : keep(job, { ...job, untold: false });
      }
      case 'released':
        forget(jobs.get(event.promptId)?.state ?? { promptId: event.promptId });
        return [{ tag: 'released', promptId: event.promptId }];
      case 'queueLength':
        return takeQueueLength(event);
      default:
        return 'clientId' in event && event.tag !== 'posting' ? takeSessionEvent(event) : takeJobEvent(event);
    }
  }

  return {
    take,
    jobs,
    job: (promptId) => jobs.get(promptId),
    run,
    session: (clientId) => sessions.get(clientId),
    queueRemaining: (serverUrl) => queues.get(serverUrl),
    due: (serverUrl, now) => {
      const here = [...jobs.values()].filter((job) => job.state.serverUrl === serverUrl);
      const isDue = here.some((job) => job.lookAt <= now);
      return isDue ? here.filter((job) => job.lookAt <= now || comesAlong(job, now, timing)) : [];
    },
    takeDeaf: (clientId, now) => {
      const session = sessions.get(clientId);
      const todo = session === undefined ? 'none' : remedy(session, runningOf(clientId).length > 0, now);
      if (todo === 'ask')
        for (const job of jobsOf(clientId))
          if (job.accepted) jobs.set(job.state.promptId, { ...job, lookAt: Math.min(job.lookAt, now) });
      if (session === undefined || todo !== 'reopen') return false;
      sessions.set(clientId, reopening(session, timing));
      return true;
    },
  };
}

/** What an open socket should have brought, or must bring now: a new workflow's `status`, a start or an end that only a look saw. */
function isNews(session: SessionWatch, job: Job, event: JobEvent, { deafMs }: Timing): boolean {
  const settledIn = event.at - session.linkedAt >= deafMs;
  switch (event.tag) {
    case 'accepted':
      return session.heardAt < event.postedAt;
    case 'ended':
      return settledIn && !job.succeeded;
    case 'found':
      return settledIn && event.where === 'running' && job.state.status === 'queued';
    default:
      return false;
  }
}

/** The queue tells of all jobs at once: one that would be looked up soon anyway comes along, or each had its own request (R8). */
const comesAlong = ({ linked, absences, succeeded, lookAt }: Job, now: number, { auditMs, pollMs }: Timing): boolean =>
  absences.count === 0 && !succeeded && lookAt <= now + (linked ? auditMs : pollMs) / 2;

/** Jobs further back than this learn their place from the audit alone: one job's end is not to change thousands. */
const NEAR = 200;

/** A waiting job has at most all others before it, and moves up when one has ended: the first, as a rule. */
function withQueueBound(job: Job, remaining: number, at: number, ended = 0): Job {
  const { status, queuePosition: before = Number.POSITIVE_INFINITY } = job.state;
  const moved = ended === 1 && before < NEAR ? before - 1 : before;
  const queuePosition = Math.max(0, Math.min(moved, remaining - 1));
  if (status !== 'queued' || queuePosition === before) return job;
  return {
    ...job,
    state: { ...job.state, queuePosition, updatedAt: Math.max(at, job.state.updatedAt), seq: job.state.seq + 1 },
  };
}
