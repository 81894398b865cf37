import { heardAtOf, type Job } from '../job/job';
import type { JobEvent, SessionEvent } from '../job/job-event';
import type { JobState } from '../job/job-state';
import type { Timing } from '../job/timing';

/** What is known of one session's socket: is it open, and does it still hear anything? */
export interface SessionWatch {
  readonly clientId: string;
  readonly open: boolean;
  readonly linkedAt: number;
  readonly unlinkedAt: number;
  readonly heardAt: number;
  /** When a look at its server was last answered. */
  readonly answeredAt: number;
  /** A frame must come by then, or the socket is deaf (R7). */
  readonly expectBy: number;
  /** An older socket was cut off and may, when the server notices, evict this one: the stale-socket trap. */
  readonly trapPossible: boolean;
  /** How long the socket may be silent while a job runs, or waits where a trap is possible, before it is opened anew. */
  readonly quietMs: number;
}

export const sessionWatch = (clientId: string): SessionWatch => ({
  clientId,
  open: false,
  linkedAt: 0,
  unlinkedAt: 0,
  heardAt: 0,
  answeredAt: 0,
  expectBy: Number.POSITIVE_INFINITY,
  trapPossible: false,
  quietMs: 0,
});

/** What is known of the sockets of all sessions here. */
export class SessionWatches {
  readonly #sessions = new Map<string, SessionWatch>();
  readonly #timing: Timing;

  constructor(timing: Timing) {
    this.#timing = timing;
  }

  get(clientId: string): SessionWatch | undefined {
    return this.#sessions.get(clientId);
  }

  /** Whether the job's session has an open socket. */
  isLinked({ clientId }: JobState): boolean {
    return clientId !== undefined && this.get(clientId)?.open === true;
  }

  told(event: SessionEvent): void {
    this.#sessions.set(event.clientId, advanceSession(this.#of(event.clientId), event, this.#timing));
  }

  /** Notes an event about a job, which was `before` it and `after` it, with the job's session. */
  jobTold(before: Job, after: Job, event: JobEvent): void {
    const { clientId } = after.state;
    if (clientId === undefined) return;
    const session = this.#of(clientId);
    const heard = hearing(session, before, after, event, this.#timing);
    if (heard !== session) this.#sessions.set(clientId, heard);
  }

  /** What is to be done about the session's socket now. A `reopen` is told once: the session then counts as reopening. */
  remedy(clientId: string, jobs: { readonly running: number; readonly all: number }, now: number): Remedy {
    const session = this.get(clientId);
    if (session === undefined) return 'none';
    // Of jobs that only wait nothing need come, but after a trap their start would be missed.
    const isAwaited = jobs.running > 0 || (session.trapPossible && jobs.all > 0);
    const todo = remedy(session, isAwaited, now);
    if (todo === 'reopen') this.#sessions.set(clientId, reopening(session, this.#timing));
    return todo;
  }

  /** The session is ours no more. */
  delete(clientId: string): void {
    this.#sessions.delete(clientId);
  }

  #of(clientId: string): SessionWatch {
    return this.get(clientId) ?? sessionWatch(clientId);
  }
}

type Remedy = 'none' | 'ask' | 'reopen';

/** The session after one more event. */
export function advanceSession(session: SessionWatch, event: SessionEvent, timing: Timing): SessionWatch {
  const quietMs = session.trapPossible ? timing.trapQuietMs : timing.quietMs;
  switch (event.tag) {
    case 'linked':
      return {
        ...session,
        open: true,
        linkedAt: event.at,
        heardAt: event.at,
        expectBy: event.at + timing.deafMs,
        quietMs: Math.max(session.quietMs, quietMs),
      };
    case 'inherited':
      return { ...session, trapPossible: true };
    case 'evicted':
      // A frame after that shows that it was not.
      return expecting({ ...session, trapPossible: true }, event.at + timing.deafMs);
    case 'unlinked': {
      const cutOff = session.open && !event.clean;
      const trapPossible = session.trapPossible || cutOff;
      // A new trap is looked out for as impatiently as the first.
      const quietMs = cutOff ? 0 : session.quietMs;
      return {
        ...session,
        open: false,
        unlinkedAt: event.at,
        expectBy: Number.POSITIVE_INFINITY,
        trapPossible,
        quietMs,
      };
    }
    case 'heard':
    case 'garbled':
    case 'previewed':
    case 'resumed':
      return { ...session, heardAt: event.at, expectBy: Number.POSITIVE_INFINITY };
  }
}

/** Frames of a running job flow: silence is measured from scratch again. */
export function flowing(session: SessionWatch, timing: Timing): SessionWatch {
  const quietMs = session.trapPossible ? timing.trapQuietMs : timing.quietMs;
  return session.quietMs === quietMs ? session : { ...session, quietMs };
}

/** Something happened that the socket must tell of soon, if it hears at all. */
export const expecting = (session: SessionWatch, by: number): SessionWatch =>
  session.open ? { ...session, expectBy: Math.min(session.expectBy, by) } : session;

/** A look at its server was answered. */
export const answered = (session: SessionWatch, at: number): SessionWatch => ({
  ...session,
  answeredAt: Math.max(session.answeredAt, at),
});

/**
 * What to do about a socket: nothing; ask whether the server answers at all, where what must come did not or what is
 * awaited has not come for too long; or, where it does answer, open it anew. A server that answers nothing is busy, not
 * deaf: a node may hold Python's lock for a minute, and a socket closed in that time is cut off.
 */
export function remedy(session: SessionWatch, isAwaited: boolean, now: number): Remedy {
  const { open, expectBy, heardAt, quietMs, answeredAt } = session;
  const silent = open && (now >= expectBy || (isAwaited && now >= heardAt + quietMs));
  return !silent ? 'none' : answeredAt > heardAt ? 'reopen' : 'ask';
}

/** The session as it is opened anew: patience doubles, so that a node that is silent for an hour costs a handful of sockets. */
export const reopening = (session: SessionWatch, timing: Timing): SessionWatch => ({
  ...session,
  expectBy: Number.POSITIVE_INFINITY,
  quietMs: Math.min(timing.maxQuietMs, session.quietMs * 2),
});

/** What an open socket should have brought, or must bring now: a new workflow's `status`, a start or an end that only a look saw. */
export function isNews(session: SessionWatch, job: Job, event: JobEvent, { deafMs }: Timing): boolean {
  const settledIn = event.at - session.linkedAt >= deafMs;
  switch (event.tag) {
    case 'accepted':
      return session.heardAt < event.postedAt;
    case 'ended':
      return settledIn && job.stage.tag !== 'fetchingOutputs';
    case 'found':
      return settledIn && event.where === 'running' && job.state.status === 'queued';
    default:
      return false;
  }
}

/** The session after an event about one of its jobs, which was `before` it and `after` it. A greeting is no flow. */
export function hearing(session: SessionWatch, before: Job, after: Job, event: JobEvent, timing: Timing): SessionWatch {
  const heard = isNews(session, before, event, timing)
    ? expecting(session, event.at + timing.deafMs)
    : heardAtOf(after) > heardAtOf(before) && !('isGreeting' in event)
      ? flowing(session, timing)
      : session;
  return lookFacts.has(event.tag) ? answered(heard, event.at) : heard;
}

/** What only a look can tell. */
const lookFacts: ReadonlySet<JobEvent['tag']> = new Set<JobEvent['tag']>([
  ...(['found', 'ended', 'absent', 'unended', 'unanswered', 'unreadable'] as const),
]);
