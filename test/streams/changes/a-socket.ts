import {
  catchError,
  concat,
  concatMap,
  defer,
  merge,
  of,
  take,
  takeUntil,
  throwError,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import type { BoardEvent } from '../../../streams/board/board';
import type { Session } from '../../../streams/changes/job-changes';

const REOPENED = 'reopened';

/** Sockets of the session `c` given as marbles, as `sources/session.ts` has them: cut off on `#`, closed with the handshake when they are told to. */
export class Sockets {
  readonly #clock: SchedulerLike;
  readonly #told: (letter: string) => BoardEvent;

  /** `told`: what a frame about a job says. */
  constructor(clock: SchedulerLike, told: (letter: string) => BoardEvent) {
    this.#clock = clock;
    this.#told = told;
  }

  of(letters$: Observable<string>): Session['connect'] {
    return (reopen$, stop$) => {
      const cutOff$ = letters$.pipe(
        concatMap((letter) => this.#framed(letter)),
        catchError((error: unknown) => this.#broken(false, error as Error)),
      );
      const reopened$ = reopen$.pipe(
        take(1),
        concatMap(() => this.#broken(true, new Error(REOPENED))),
      );
      return concat(merge(cutOff$, reopened$).pipe(takeUntil(stop$)), this.#unlinked(true));
    };
  }

  /** `l` is an open socket that greets, `m` a mute one, `h` a frame of no job. */
  #framed(letter: string): readonly BoardEvent[] {
    const its = { clientId: 'c', at: this.#clock.now() };
    const heard: BoardEvent = { tag: 'heard', ...its };
    const linked: BoardEvent = { tag: 'linked', ...its };
    const withoutJob: Record<string, readonly BoardEvent[]> = { l: [linked, heard], m: [linked], h: [heard] };
    return withoutJob[letter] ?? [heard, this.#told(letter)];
  }

  #broken(clean: boolean, error: Error): Observable<BoardEvent> {
    return concat(
      this.#unlinked(clean),
      throwError(() => error),
    );
  }

  #unlinked(clean: boolean): Observable<BoardEvent> {
    return defer(() => of<BoardEvent>({ tag: 'unlinked', clientId: 'c', at: this.#clock.now(), clean }));
  }
}

/** Whether a socket ended since it was to be opened anew. */
export const isReopened = (error: unknown): boolean => error instanceof Error && error.message === REOPENED;
