import { lastValueFrom, type Observable } from 'rxjs';
import type { Demand } from '../demand';
import type { Transit } from './transit';
import type { JobStore } from '../../sinks/job-store';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import type { BoardView } from '../../streams/board/board';
import type { Session, SessionSockets } from '../../streams/changes/job-changes';
import type { JobState } from '../../streams/job/job-state';

export interface SessionParts {
  readonly servers: readonly {
    readonly url: string;
    readonly clientId?: string;
    readonly session: (clientId: string) => SessionSockets;
  }[];
  readonly store: JobStore;
  readonly writer: Pick<WriteBehind, 'write' | 'waiting' | 'ends' | 'rescue'>;
  readonly board: BoardView;
  readonly transit: Transit;
  /** The states of a job here, from now on. */
  readonly told: (promptId: string) => Observable<JobState>;
  readonly stop$: Observable<unknown>;
}

/** The sessions that this instance holds, and the jobs that come and go with them. */
export interface Sessions {
  /** The client id under which new jobs are posted to a server. */
  own(serverUrl: string): string;
  /**
   * Completes once each own session was leased, or the store did not answer. No job is stored before that: another
   * instance that found such a job, and its session without a holder, would take the session.
   */
  ready(): Observable<never>;
  /** Whether a session is held here, and whether it is certain that no other instance can hold it now. */
  lease(clientId: string): 'none' | 'doubtful' | 'certain';
  /** Grows each time a session's lease was doubtful and became certain again: another instance may have held it between. */
  term(clientId: string): number;
  /** Emits after a session's lease was extended, and after another instance took it. */
  leaseChanged(clientId: string): Observable<unknown>;
  /** Each session as it becomes held here: open its socket. */
  readonly opened$: Observable<Session>;
  /** Jobs to take up and to let go, and the requests of other instances. */
  readonly demand$: Observable<Demand>;
  /** See `Pipeline.recovered$`. */
  readonly recovered$: Observable<readonly JobState[]>;
  /** Gives every session back, so that another instance may take it at once; unregisters those without jobs. */
  release(): Observable<never>;
}

/** Resolves when `ready` completes: awaited before a job is stored. */
export const whenReady = (sessions: Pick<Sessions, 'ready'>): Promise<void> =>
  lastValueFrom(sessions.ready(), { defaultValue: undefined });
