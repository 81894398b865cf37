import type { Observable } from 'rxjs';

/** Something to be told to somebody else's server about a job, in a text that only its delivery reads. */
export interface Hook {
  readonly promptId: string;
  readonly text: string;
}

/** How long a hook is kept after it was last touched, s: longer than a job lasts and all attempts to deliver it. */
export const HOOK_S = 72 * 3600;
/** How long a delivered or given-up hook is remembered as done, s. */
export const HOOK_DONE_S = 24 * 3600;

/** What is still to be told, among all instances on one store. All error with `StoreUnavailable`. */
export interface Hooks {
  /** Adds a job's hook, due in so many ms, unless the job has one or had one that is done. */
  add(hook: Hook, inMs: number): Observable<never>;
  /** Makes a job's hook due now, or when the present claim, or its rest, is over. */
  hurry(promptId: string): Observable<never>;
  /** Those due, `most` at most. Nobody else gets them for `forMs`; then they are due again. */
  claim(most: number, forMs: number): Observable<readonly Hook[]>;
  /** Gives a claimed hook back with another text, due in so many ms. Nothing where it is done. */
  later(hook: Hook, inMs: number): Observable<never>;
  /** The same after an attempt that failed: it rests for so long, whoever hurries it. */
  rest(hook: Hook, inMs: number): Observable<never>;
  /** As of `JobStore`: the store may have lost hooks. */
  readonly mayHaveLost$: Observable<unknown>;
  /** Ends a job's hook. */
  done(promptId: string): Observable<never>;
}
