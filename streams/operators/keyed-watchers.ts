import { Observable, type Subscriber } from 'rxjs';

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
  const byKey = new Map<string, Set<Subscriber<T>>>();
  let closed = false;
  const of = (key: string): readonly Subscriber<T>[] => [...(byKey.get(key) ?? [])];
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
        byKey.set(key, (byKey.get(key) ?? new Set()).add(subscriber));
        return () => {
          const subscribers = byKey.get(key);
          subscribers?.delete(subscriber);
          if (subscribers?.size === 0) byKey.delete(key);
        };
      }),
    release,
    close: () => {
      closed = true;
      [...byKey.keys()].forEach(release);
    },
  };
}
