import {
  catchError,
  concatMap,
  filter,
  from,
  mergeMap,
  Subject,
  tap,
  throwError,
  toArray,
  type Observable,
} from 'rxjs';
import type { Report } from '../../../streams/operators/reporting';
import type { Ask } from './commands';
import { isWrongType } from './wrong-type';
import type { JobScripts } from '../scripts/jobs';

/** Another program wrote a value of another type to one of our keys, which was removed. */
class ForeignKey extends Error {
  override readonly name = 'ForeignKey';
  constructor(
    readonly key: string,
    what: string,
  ) {
    super(`${key} was no ${what} and is removed`);
  }
}

/** A key, and the Redis type that it must have. */
export type TypedKey = readonly [key: string, type: 'zset' | 'hash'];

/**
 * Runs commands on the keys of an index, of webhooks or of files. If one fails because another program wrote another
 * type to a key, that key is removed and reported, and the command runs once more: one bad key must not end all other
 * writes (R15).
 */
export class WholeKeys {
  /** Emits after keys with another type were removed: what they had held before is gone. */
  readonly damaged$: Observable<unknown>;
  readonly #damaged$ = new Subject<void>();
  readonly #redis: Pick<JobScripts, 'dropForeign'>;
  readonly #ask: Ask;
  readonly #what: 'index' | 'webhook' | 'file';
  readonly #report: Report;

  constructor(redis: Pick<JobScripts, 'dropForeign'>, ask: Ask, what: 'index' | 'webhook' | 'file', report: Report) {
    this.#redis = redis;
    this.#ask = ask;
    this.#what = what;
    this.#report = report;
    this.damaged$ = this.#damaged$.asObservable();
  }

  /** Runs a command that uses these keys. */
  run<T>(keys: readonly TypedKey[], command: () => Promise<T>): Observable<T> {
    return this.whole(keys, this.#ask(command));
  }

  /** The same for an observable that runs such a command whenever it is subscribed to. */
  whole<T>(keys: readonly TypedKey[], answer$: Observable<T>): Observable<T> {
    return answer$.pipe(
      catchError((error: unknown) =>
        isWrongType(error) ? this.#mended(keys).pipe(concatMap(() => answer$)) : throwError(() => error),
      ),
    );
  }

  #mended(keys: readonly TypedKey[]): Observable<unknown> {
    return from(keys).pipe(
      mergeMap(([key, type]) =>
        this.#ask(() => this.#redis.dropForeign(key, type)).pipe(
          filter((removed) => removed === 1),
          tap(() => this.#report(`redis ${this.#what}`, new ForeignKey(key, this.#what))),
        ),
      ),
      toArray(),
      tap(() => this.#damaged$.next()),
    );
  }
}
