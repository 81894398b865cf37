import type { Observable } from 'rxjs';
import type { JobReport } from '../streams/reports/job-report';

/** A session: one ComfyUI client id on one server. Whoever holds it watches its jobs. */
export interface SessionKey {
  readonly clientId: string;
  readonly serverUrl: string;
}

/** What the holder of a session is asked to do by an instance that does not hold it. */
export type Request =
  | JobRequest
  /** To see whether its socket still hears: who held the session before has closed its own only now (R7). */
  | { readonly tag: 'evicted'; readonly clientId: string };

/** What is to be done about one of its jobs. */
export type JobRequest = { readonly promptId: string } & (
  | { readonly tag: 'cancel' }
  /** To take a report that came to another instance. */
  | { readonly tag: 'report'; readonly report: JobReport }
);

/** What became of a lease: held for so long from the start of the attempt, or somebody else's. */
export type LeaseOutcome = 'held' | 'taken';

/**
 * Who holds which session, among all instances on one store. A lease runs out `ttlMs` after it was last taken; the
 * session is then an orphan until somebody takes it or it is forgotten. All error with `StoreUnavailable`.
 */
export interface Leases {
  readonly ttlMs: number;
  /** Takes or extends the lease, unless another instance holds it. Idempotent. */
  hold(session: SessionKey): Observable<LeaseOutcome>;
  /** Gives the session back if it is ours: to be taken by others at once, or, with `forget`, never. Emits nothing. */
  release(session: SessionKey, forget?: boolean): Observable<never>;
  /** Makes a session known that a job in the store names: an orphan, if nobody holds it. Emits nothing. */
  note(session: SessionKey): Observable<never>;
  /** The sessions that nobody holds now, and in how many ms the next lease of another instance runs out if it is not extended. */
  orphans(): Observable<{ readonly sessions: readonly SessionKey[]; readonly nextInMs?: number }>;
  /** Emits whenever an instance gives a session back; never completes. */
  readonly released$: Observable<unknown>;
  /** Asks a session's holder. Emits whether there was one, and completes. */
  ask(clientId: string, request: Request): Observable<boolean>;
  /** What a session that is held here is asked; never completes. */
  asked(clientId: string): Observable<Request>;
}
