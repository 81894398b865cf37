import {
  EMPTY,
  Subject,
  catchError,
  concat,
  concatMap,
  defer,
  finalize,
  from,
  ignoreElements,
  map,
  merge,
  of,
  repeat,
  take,
  takeUntil,
  takeWhile,
  tap,
  timer,
  type Observable,
} from 'rxjs';
import { TooManyJobs, type Pipeline } from '../api';
import { isTransient, type Env } from '../env';
import type { Life } from './life';
import type { Posting } from '../posting/posting';
import type { Reads } from '../reads/reads';
import type { JobStore } from '../../sinks/job-store';
import type { BoardEvent, BoardView } from '../../streams/board/board';
import { bounds } from '../../streams/bounds';
import { isSettled, sessionOf, type JobState } from '../../streams/job/job-state';
import type { Watchers } from '../../streams/maps/keyed-watchers';
import { skippingErrors } from '../../streams/operators/reporting';

/** Once a session's holder received the cancel, or no successor came in time, it is asked for at doubled waits of 100 ms to 4 s. */
const HEARD_MS = 100;
const SELDOM_MS = 4_000;
/** While nobody receives it, it is sent again each 250 ms for the first 10 s: in that time a successor takes over. */
const UNHEARD_MS = 250;
const SUCCESSION_MS = 10_000;
/** An instance passes a job's cancel on for an hour at most, however long the store or a successor stays away. */
const ASKING_MS = 3_600_000;

export interface CancellingParts {
  readonly board: Pick<BoardView, 'job'>;
  readonly posting: Pick<Posting, 'stop'>;
  readonly store: Pick<JobStore, 'leases'>;
  readonly reads: Pick<Reads, 'get' | 'present' | 'stands'>;
  readonly local: { readonly states: Watchers<JobState> };
  readonly life: Pick<Life, 'run'>;
}

/**
 * The result of one request to cancel. `obeyed`: the stored state shows the cancel, or the job has ended. `heard`: an
 * instance listens on the session's channel, but may be suspended or cut off. `unheard`: none listens.
 */
type Asked = 'obeyed' | 'heard' | 'unheard';

/** Stops jobs, whichever instance watches them. */
class Cancelling {
  readonly #parts: CancellingParts;
  readonly #env: Env;
  /** The jobs whose cancel is being passed on, 1,000 at most (`bounds.cancels`): one more is refused. */
  readonly #asked = new Map<string, Subject<void>>();

  constructor(parts: CancellingParts, env: Env) {
    this.#parts = parts;
    this.#env = env;
  }

  async cancel(promptId: string): Promise<JobState | undefined> {
    const { board, life, reads } = this.#parts;
    const known = board.job(promptId)?.state ?? (await reads.get(promptId));
    if (known === undefined) return undefined;
    if (!isSettled(known)) {
      if (!this.#isHere(promptId)) this.#assertRoom(promptId);
      await life.run(this.#stopped(promptId));
    }
    const state = await reads.get(promptId);
    // A cancel ends a reported job at once. If that end does not count, another instance has the job, and must end it.
    if (state?.reported === undefined || !isSettled(state) || (await reads.stands(promptId).catch(() => true)))
      return state;
    await life.run(this.#stopped(promptId));
    return reads.get(promptId);
  }

  #isHere(promptId: string): boolean {
    return this.#parts.board.job(promptId) !== undefined;
  }

  /**
   * Stops the job while this instance has it, and asks the instance that has it otherwise; the job may change hands.
   */
  #stopped(promptId: string): Observable<BoardEvent> {
    const stop$ = defer(() => (this.#isHere(promptId) ? this.#parts.posting.stop(promptId) : EMPTY));
    const again$ = defer(() => (this.#isHere(promptId) ? this.#stopped(promptId) : EMPTY));
    const elsewhere$ = defer(() => (this.#isHere(promptId) ? EMPTY : concat(this.#passedOn(promptId), again$)));
    return concat(stop$, elsewhere$);
  }

  /** Passes the cancel on for `ASKING_MS` at most. A later cancel of the same job replaces it. */
  #passedOn(promptId: string): Observable<never> {
    const { clock, report } = this.#env;
    return defer(() => {
      const given$ = new Subject<void>();
      this.#assertRoom(promptId);
      this.#giveUp(promptId);
      this.#asked.set(promptId, given$);
      return this.#asking(promptId).pipe(
        takeUntil(merge(given$, timer(ASKING_MS, clock))),
        finalize(() => {
          if (this.#asked.get(promptId) === given$) this.#asked.delete(promptId);
        }),
      );
    }).pipe(skippingErrors('cancel', report));
  }

  #assertRoom(promptId: string): void {
    if (this.#asked.size < bounds.cancels || this.#asked.has(promptId)) return;
    throw new TooManyJobs('cancels, with those of all users, that other instances have yet to obey', bounds.cancels);
  }

  #giveUp(promptId: string): void {
    const given$ = this.#asked.get(promptId);
    this.#asked.delete(promptId);
    given$?.next();
  }

  /**
   * Asks the holder of the job's session until the stored state shows the cancel, or this instance has the job. A
   * listener on the channel proves nothing: Redis also counts a holder that is suspended or whose link is half open,
   * and a successor may not know the job yet.
   */
  #asking(promptId: string): Observable<never> {
    const { clock } = this.#env;
    const since = clock.now();
    let wasHeard = false;
    let doubled = 0;
    const waitMs = (outcome: Asked): number => {
      if (outcome === 'unheard' && clock.now() - since < SUCCESSION_MS) return UNHEARD_MS;
      return Math.min(SELDOM_MS, HEARD_MS * 2 ** Math.min(doubled++, 10));
    };
    let nextMs = 0;
    const ask$ = defer(() => this.#ask(promptId, wasHeard)).pipe(
      tap((outcome) => {
        nextMs = waitMs(outcome);
        wasHeard ||= outcome === 'heard';
      }),
    );
    const here$ = defer(() => this.#parts.local.states.changes(promptId));
    return ask$.pipe(
      repeat({ delay: () => merge(timer(nextMs, clock), here$).pipe(take(1)) }),
      takeWhile((outcome) => outcome !== 'obeyed' && !this.#isHere(promptId)),
      ignoreElements(),
    );
  }

  /** Asks once, unless the job has ended, or it was asked before and the stored state shows the cancel. */
  #ask(promptId: string, before: boolean): Observable<Asked> {
    const { reads, store } = this.#parts;
    return from(reads.present(promptId)).pipe(
      concatMap((state) => {
        if (state !== undefined && (isSettled(state) || (before && state.cancelAskedAt !== undefined)))
          return of<Asked>('obeyed');
        const session = state && sessionOf(state);
        // Redis came back empty, say: the instance that has the job will write it again.
        if (session === undefined) return of<Asked>('unheard');
        const request = { tag: 'cancel', promptId } as const;
        return store.leases.ask(session, request).pipe(map((heard): Asked => (heard ? 'heard' : 'unheard')));
      }),
      catchError((error: unknown) => {
        if (!isTransient(error)) throw error;
        return of<Asked>('unheard');
      }),
    );
  }
}

/** `Pipeline.cancel` of one instance. */
export function cancelling(parts: CancellingParts, env: Env): Pipeline['cancel'] {
  const all = new Cancelling(parts, env);
  return (promptId) => all.cancel(promptId);
}
