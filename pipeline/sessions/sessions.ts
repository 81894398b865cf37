import { lastValueFrom, type Observable } from 'rxjs';
import type { Demand } from '../demand';
import type { Transit } from './transit';
import type { JobStore } from '../../sinks/job-store';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import type { BoardView } from '../../streams/board/board';
import type { Session } from '../../streams/changes/job-changes';
import type { JobState } from '../../streams/job/job-state';

export interface SessionParts {
  readonly servers: readonly {
    readonly url: string;
    readonly clientId?: string;
    readonly session: (clientId: string) => Session;
  }[];
  readonly store: JobStore;
  readonly writer: Pick<WriteBehind, 'write' | 'waiting' | 'ends'>;
  readonly board: BoardView;
  readonly transit: Transit;
  /** The changes of a job here, from now on. */
  readonly told: (promptId: string) => Observable<JobState>;
  readonly stop$: Observable<unknown>;
}

/** Which sessions this instance holds, and the jobs that come and go with them. */
export interface Sessions {
  /** The client id under which new jobs are posted to a server. */
  own(serverUrl: string): string;
  /**
   * Completes once each own session was leased, or the store did not answer. No job is stored before: an instance that
   * found it, and nobody with a lease, would take the session.
   */
  ready(): Observable<never>;
  /** Whether a session is held here, and whether it is certain that no other instance can hold it now. */
  lease(clientId: string): 'none' | 'doubtful' | 'certain';
  /** Emits after a session's lease was extended, and after another instance took it. */
  leaseChanged(clientId: string): Observable<unknown>;
  /** Sessions as they are held: sockets to be opened. */
  readonly opened$: Observable<Session>;
  /** Jobs to be taken up and let go, and what other instances ask for. */
  readonly demand$: Observable<Demand>;
  /** Jobs taken up in one go, at the start or after another instance's end; the last few batches are repeated to late subscribers. */
  readonly recovered$: Observable<readonly JobState[]>;
  /** Gives every session back: at once to whoever sweeps next, or for ever where it has no jobs. */
  release(): Observable<never>;
}

/** Settles as `ready` does: for a call that may store a job. */
export const whenReady = (sessions: Pick<Sessions, 'ready'>): Promise<void> =>
  lastValueFrom(sessions.ready(), { defaultValue: undefined });
