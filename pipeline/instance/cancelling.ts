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
import type { Pipeline } from '../api';
import { isTransient, type Env } from '../env';
import type { Life } from './life';
import type { Posting } from '../posting/posting';
import type { Reads } from '../reads/reads';
import type { JobStore } from '../../sinks/job-store';
import type { BoardEvent, BoardView } from '../../streams/board/board';
import { bounds } from '../../streams/bounds';
import { isSettled, sessionOf, type JobState } from '../../streams/job/job-state';
import type { Watchers } from '../../streams/operators/keyed-watchers';
import { orNothing, reporting } from '../../streams/operators/reporting';
import { remember } from '../../streams/maps/remember';

/** When the store is looked at after a session's holder was asked; twice as long each time that it shows nothing. */
const HEARD_MS = 100;
const SELDOM_MS = 4_000;
/** How often a session that nobody holds is asked, and for how long so often: a successor comes within ten seconds. */
const UNHEARD_MS = 250;
const SUCCESSION_MS = 10_000;
/** For how long a job's cancel is passed on: no outage of the store, and no successor, is waited for longer. */
const ASKING_MS = 3_600_000;

export interface CancellingParts {
  readonly board: Pick<BoardView, 'job'>;
  readonly posting: Pick<Posting, 'stop'>;
  readonly store: Pick<JobStore, 'leases'>;
  readonly reads: Pick<Reads, 'get' | 'present' | 'stands'>;
  readonly local: { readonly states: Watchers<JobState> };
  readonly life: Pick<Life, 'run'>;
}

/** What one time of asking came to: the job has it in the store, or has ended; somebody listens, who may be suspended or cut off; nobody does. */
type Asked = 'obeyed' | 'heard' | 'unheard';

/** Stopping jobs, whoever watches them. */
class Cancelling {
  readonly #parts: CancellingParts;
  readonly #env: Env;
  /** The jobs whose cancel is being passed on, `bounds.cancels` at most: past that the oldest are given up. */
  readonly #asked = new Map<string, Subject<void>>();

  constructor(parts: CancellingParts, env: Env) {
    this.#parts = parts;
    this.#env = env;
  }

  async cancel(promptId: string): Promise<JobState | undefined> {
    const { board, life, reads } = this.#parts;
    const known = board.job(promptId)?.state ?? (await reads.get(promptId));
    if (known === undefined) return undefined;
    if (!isSettled(known)) await life.run(this.#stopped(promptId));
    const state = await reads.get(promptId);
    if (state?.reported === undefined || !isSettled(state) || (await reads.stands(promptId).catch(() => true)))
      return state;
    await life.run(this.#stopped(promptId));
    return reads.get(promptId);
  }

  #isHere(promptId: string): boolean {
    return this.#parts.board.job(promptId) !== undefined;
  }

  /** Stops the job here, if it is here or comes here; if it is another's, or becomes so meanwhile, has that one do it. */
  #stopped(promptId: string): Observable<BoardEvent> {
    const stop$ = defer(() => (this.#isHere(promptId) ? this.#parts.posting.stop(promptId) : EMPTY));
    const again$ = defer(() => (this.#isHere(promptId) ? this.#stopped(promptId) : EMPTY));
    const elsewhere$ = defer(() => (this.#isHere(promptId) ? EMPTY : concat(this.#passedOn(promptId), again$)));
    return concat(stop$, elsewhere$);
  }

  /** Has the cancel passed on for `ASKING_MS` at most. A later one of the same job takes its place. */
  #passedOn(promptId: string): Observable<never> {
    const { clock, report } = this.#env;
    return defer(() => {
      const given$ = new Subject<void>();
      this.#giveUp(promptId);
      const dropped = remember(this.#asked, promptId, given$, bounds.cancels);
      dropped?.[1].next();
      return this.#asking(promptId).pipe(
        reporting('cancel', report),
        orNothing,
        takeUntil(merge(given$, timer(ASKING_MS, clock))),
        finalize(() => {
          if (this.#asked.get(promptId) === given$) this.#asked.delete(promptId);
        }),
      );
    });
  }

  #giveUp(promptId: string): void {
    const given$ = this.#asked.get(promptId);
    this.#asked.delete(promptId);
    given$?.next();
  }

  /**
   * Asks whoever holds the job's session until the store shows that it was heard, or the job is here. That somebody listens
   * proves nothing (R7): Redis counts a holder that is suspended, or whose link is half open, and a successor may not
   * know the job yet.
   */
  #asking(promptId: string): Observable<never> {
    const { clock } = this.#env;
    const since = clock.now();
    let heard = 0;
    const waitMs = (outcome: Asked): number => {
      if (outcome === 'unheard' && clock.now() - since < SUCCESSION_MS) return UNHEARD_MS;
      return Math.min(SELDOM_MS, HEARD_MS * 2 ** Math.min(heard, 10));
    };
    let nextMs = 0;
    const ask$ = defer(() => this.#ask(promptId, heard > 0)).pipe(
      tap((outcome) => {
        nextMs = waitMs(outcome);
        if (outcome === 'heard') heard += 1;
      }),
    );
    const here$ = defer(() => this.#parts.local.states.changes(promptId));
    return ask$.pipe(
      repeat({ delay: () => merge(timer(nextMs, clock), here$).pipe(take(1)) }),
      takeWhile((outcome) => outcome !== 'obeyed' && !this.#isHere(promptId)),
      ignoreElements(),
    );
  }

  /** Asks once, unless the job has ended; or has been asked before, and the store shows it. */
  #ask(promptId: string, before: boolean): Observable<Asked> {
    const { reads, store } = this.#parts;
    return from(reads.present(promptId)).pipe(
      concatMap((state) => {
        if (state !== undefined && (isSettled(state) || (before && state.cancelAskedAt !== undefined)))
          return of<Asked>('obeyed');
        const session = state && sessionOf(state);
        // Redis came back empty, say: whoever has the job writes it again.
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

/** Stops a job here, or has the instance do so that watches it; see `Pipeline.cancel`. */
export function cancelling(parts: CancellingParts, env: Env): Pipeline['cancel'] {
  const all = new Cancelling(parts, env);
  return (promptId) => all.cancel(promptId);
}
