import { heardAtOf, type Job } from '../job/job';
import type { JobEvent, SessionEvent } from '../job/job-event';
import type { JobState } from '../job/job-state';
import type { Timing } from '../job/timing';

/** Whether one session's socket is open, and whether it still gets frames. */
export interface SessionWatch {
  readonly open: boolean;
  readonly linkedAt: number;
  readonly unlinkedAt: number;
  readonly heardAt: number;
  /** When a look at its server was last answered. */
  readonly answeredAt: number;
  /** If no frame has come by then, the socket is deaf (R7); ∞ if none is expected. */
  readonly expectBy: number;
  /** The stale-socket trap: an older socket was cut off, and ComfyUI may drop this one when it notices that. */
  readonly trapPossible: boolean;
  /** How long the socket may be silent before it is replaced, ms, while a job runs; or waits, if a trap is possible. */
  readonly quietMs: number;
  /** In a possible trap, when the last frame of a running job came, greetings apart; 0 before the first. */
  readonly framedAt: number;
  /** The longest gap of late between such frames, ms, and when one like it last ended. */
  readonly gap: { readonly ms: number; readonly at: number };
}

const noGap = { ms: 0, at: 0 };

/** A session of which nothing was heard yet. */
export const newSession: SessionWatch = {
  open: false,
  linkedAt: 0,
  unlinkedAt: 0,
  heardAt: 0,
  answeredAt: 0,
  expectBy: Number.POSITIVE_INFINITY,
  trapPossible: false,
  quietMs: 0,
  framedAt: 0,
  gap: noGap,
};

/** The watches of all sessions of this instance. */
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

  /** Notes an event of a job with the job's session; `before` and `after` are the job then. */
  jobTold(before: Job, after: Job, event: JobEvent): void {
    const { clientId } = after.state;
    if (clientId === undefined) return;
    const session = this.#of(clientId);
    const heard = hearing(session, before, after, event, this.#timing);
    if (heard !== session) this.#sessions.set(clientId, heard);
  }

  /** What to do about the session's socket now. Side effect: `reopen` is returned once, then it counts as reopening. */
  remedy(clientId: string, jobs: { readonly running: number; readonly all: number }, now: number): Remedy {
    const session = this.get(clientId);
    if (session === undefined) return 'none';
    // While jobs only wait no frame need come; but if a trap is possible, their start might be missed.
    const isAwaited = jobs.running > 0 || (session.trapPossible && jobs.all > 0);
    const todo = remedy(session, isAwaited, now);
    if (todo === 'reopen') this.#sessions.set(clientId, reopening(session, this.#timing));
    return todo;
  }

  /** Call when this instance no longer holds the session. */
  delete(clientId: string): void {
    this.#sessions.delete(clientId);
  }

  #of(clientId: string): SessionWatch {
    return this.get(clientId) ?? newSession;
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
      // Any frame by then shows that our socket was not dropped.
      return expecting({ ...session, trapPossible: true }, event.at + timing.deafMs);
    case 'unlinked': {
      const cutOff = session.open && !event.clean;
      const trapPossible = session.trapPossible || cutOff;
      // For a new trap `quietMs` starts small again, whatever gaps were before.
      const anew = cutOff ? { quietMs: 0, framedAt: 0, gap: noGap } : {};
      return {
        ...session,
        open: false,
        unlinkedAt: event.at,
        expectBy: Number.POSITIVE_INFINITY,
        trapPossible,
        ...anew,
      };
    }
    case 'heard':
    case 'garbled':
    case 'previewed':
    case 'resumed':
      return { ...session, heardAt: event.at, expectBy: Number.POSITIVE_INFINITY };
  }
}

/** For how long a gap between frames counts, ms. */
const GAP_KEPT_MS = 60_000;
/** A gap of this share of the longest keeps that in mind. */
const ALIKE = 3 / 4;

/**
 * The session after a frame of a running job: `quietMs` starts small again. In a possible trap it is twice the longest
 * gap of late between such frames, if that is more, up to what it is without one: or each slow step of a training would
 * cost a socket and two looks.
 */
export function flowing(session: SessionWatch, at: number, timing: Timing): SessionWatch {
  const { trapPossible, framedAt, gap } = session;
  if (!trapPossible) return session.quietMs === timing.quietMs ? session : { ...session, quietMs: timing.quietMs };
  const gapMs = framedAt === 0 ? 0 : at - framedAt;
  const keptMs = Math.abs(at - gap.at) < GAP_KEPT_MS ? gap.ms : 0;
  const ms = 2 * gapMs > timing.trapQuietMs ? Math.max(keptMs, gapMs) : keptMs;
  const quietMs = Math.min(timing.quietMs, Math.max(timing.trapQuietMs, 2 * ms));
  return { ...session, quietMs, framedAt: at, gap: gapMs >= ALIKE * ms ? { ms, at } : gap };
}

/** The session after an event of which its socket must bring a frame by then, if it is not deaf. */
export const expecting = (session: SessionWatch, by: number): SessionWatch =>
  session.open ? { ...session, expectBy: Math.min(session.expectBy, by) } : session;

/** The session after an answered look at its server. */
export const answered = (session: SessionWatch, at: number): SessionWatch => ({
  ...session,
  answeredAt: Math.max(session.answeredAt, at),
});

/**
 * What to do about a socket. If an expected frame did not come, or awaited jobs were silent for `quietMs`: `reopen` it
 * if the server has answered a look since the last frame, else `ask` (look its jobs up). A server that does not answer
 * is busy, not deaf: a node may hold Python's lock for a minute, and a socket closed in that time is cut off.
 */
export function remedy(session: SessionWatch, isAwaited: boolean, now: number): Remedy {
  const { open, expectBy, heardAt, quietMs, answeredAt } = session;
  const silent = open && (now >= expectBy || (isAwaited && now >= heardAt + quietMs));
  return !silent ? 'none' : answeredAt > heardAt ? 'reopen' : 'ask';
}

/**
 * The session as its socket is replaced: `quietMs` doubles, so that a node silent for an hour costs a handful of
 * sockets.
 */
export const reopening = (session: SessionWatch, timing: Timing): SessionWatch => ({
  ...session,
  expectBy: Number.POSITIVE_INFINITY,
  quietMs: Math.min(timing.maxQuietMs, session.quietMs * 2),
});

/**
 * Whether an open socket must bring a frame of an event soon: a new job's `status`, or a start or end that a look
 * found.
 */
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

/** The session after an event of one of its jobs. A greeting does not count as a frame of a running job. */
export function hearing(session: SessionWatch, before: Job, after: Job, event: JobEvent, timing: Timing): SessionWatch {
  const heard = isNews(session, before, event, timing)
    ? expecting(session, event.at + timing.deafMs)
    : heardAtOf(after) > heardAtOf(before) && !('isGreeting' in event)
      ? flowing(session, event.at, timing)
      : session;
  return lookFacts.has(event.tag) ? answered(heard, event.at) : heard;
}

/** Events that come from looks only. */
const lookFacts: ReadonlySet<JobEvent['tag']> = new Set<JobEvent['tag']>([
  ...(['found', 'ended', 'absent', 'unended', 'unanswered', 'unreadable'] as const),
]);
