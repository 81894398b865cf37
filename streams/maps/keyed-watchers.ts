import { Observable, type Subscriber } from 'rxjs';
import { setsByKey } from './sets-by-key';

/** The watchers of each key: telling a value visits the watchers of its key only (R17). */
export interface Watchers<T> {
  /** Emits a value to all who watch this key. Returns whether anybody does. */
  tell(key: string, value: T): boolean;
  /** The values of one key from subscription on; completes when the key is released. */
  changes(key: string): Observable<T>;
  /** Completes all watchers of a key. */
  release(key: string): void;
  /** Completes all watchers, and each later one at once. */
  close(): void;
}

export function watchers<T>(): Watchers<T> {
  const byKey = setsByKey<string, Subscriber<T>>();
  let closed = false;
  const of = (key: string): readonly Subscriber<T>[] => [...byKey.of(key)];
  const release = (key: string): void => of(key).forEach((subscriber) => subscriber.complete());
  return {
    tell: (key, value) => {
      const subscribers = of(key);
      for (const subscriber of subscribers) subscriber.next(value);
      return subscribers.length > 0;
    },
    changes: (key) =>
      new Observable((subscriber) => {
        if (closed) {
          subscriber.complete();
          return;
        }
        byKey.add(key, subscriber);
        return () => byKey.delete(key, subscriber);
      }),
    release,
    close: () => {
      closed = true;
      [...byKey.all.keys()].forEach(release);
    },
  };
}
