import type { Observable } from 'rxjs';

/** A webhook about a job that is still to be delivered. Only the delivery reads the text. */
export interface Hook {
  readonly promptId: string;
  readonly text: string;
}

/** How long a hook is kept after its last write, s: longer than a job and all attempts to deliver its hook take. */
export const HOOK_S = 72 * 3600;
/** How long a delivered or given-up hook is remembered as done, s, so that it is not added again. */
export const HOOK_DONE_S = 24 * 3600;

/** The undelivered webhooks of all instances on one store. All methods error with `StoreUnavailable`. */
export interface Hooks {
  /** Adds a job's hook, due in `inMs`, unless the job has a hook, or had one that is done. */
  add(hook: Hook, inMs: number): Observable<never>;
  /** Makes a job's hook due now; if it is claimed or rests, as soon as that is over. */
  hurry(promptId: string): Observable<never>;
  /** Claims up to `most` hooks that are due. No other instance gets them for `forMs`; then they are due again. */
  claim(most: number, forMs: number): Observable<readonly Hook[]>;
  /** Gives a claimed hook back with another text, due in `inMs`. Does nothing if it is done. */
  later(hook: Hook, inMs: number): Observable<never>;
  /** The same after an attempt that failed: the hook rests for `inMs`, and `hurry` does not shorten that. */
  rest(hook: Hook, inMs: number): Observable<never>;
  /** See `JobStore.mayHaveLost$`: hooks may be among what was lost. */
  readonly mayHaveLost$: Observable<unknown>;
  /** Marks a job's hook as done. */
  done(promptId: string): Observable<never>;
}
