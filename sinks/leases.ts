import type { Observable } from 'rxjs';
import type { JobReport } from '../streams/reports/job-report';

/** A session: one ComfyUI client id on one server. Whoever holds it watches its jobs. */
export interface SessionKey {
  readonly clientId: string;
  readonly serverUrl: string;
}

/** What the holder of a session is asked to do by an instance that does not hold it. */
export type SessionRequest =
  | SessionJobRequest
  /**
   * Check the socket: the session's previous holder has closed its own only now, at which ComfyUI may have dropped the
   * new one (R7).
   */
  | { readonly tag: 'evicted'; readonly clientId: string };

/** A request about one job of the session. */
export type SessionJobRequest = { readonly promptId: string } & (
  | { readonly tag: 'cancel' }
  /** Take a report of the job, which came to another instance. */
  | { readonly tag: 'report'; readonly report: JobReport }
);

/** `held`: ours for `ttlMs` from the start of the attempt. `taken`: another instance holds it. */
export type LeaseOutcome = 'held' | 'taken';

/**
 * Which instance holds which session, among all instances on one store. A lease runs out `ttlMs` after it was last
 * taken or extended; the session is then an orphan until an instance takes it or it is forgotten. All methods error
 * with `StoreUnavailable`.
 */
export interface Leases {
  readonly ttlMs: number;
  /** Takes or extends the lease, unless another instance holds it. Idempotent. */
  hold(session: SessionKey): Observable<LeaseOutcome>;
  /**
   * Gives the session back if this instance holds it: others may take it at once; with `forget` it is removed, and
   * nobody will. Emits nothing.
   */
  release(session: SessionKey, forget?: boolean): Observable<never>;
  /** Registers a session that a stored job names: an orphan, if no instance holds it. Emits nothing. */
  note(session: SessionKey): Observable<never>;
  /**
   * The sessions that no instance holds. `nextInMs`: when the next lease of another instance runs out if it is not
   * extended; absent where there is none.
   */
  orphans(): Observable<{ readonly sessions: readonly SessionKey[]; readonly nextInMs?: number }>;
  /** Emits whenever an instance gives a session back; never completes. */
  readonly released$: Observable<unknown>;
  /** Sends a request to the session's holder. Emits whether anybody received it, and completes. */
  ask(clientId: string, request: SessionRequest): Observable<boolean>;
  /** The requests to a session that is held here; never completes. */
  asked(clientId: string): Observable<SessionRequest>;
}
