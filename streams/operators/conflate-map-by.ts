import { defer, Observable, Subscription, type ObservableInput, type OperatorFunction } from 'rxjs';

/**
 * Runs one projection per key at a time, and `concurrent` at most of all keys; what arrives meanwhile waits, only the
 * newest of each key. Hence it holds no more than one value a key. Completes when the source has and nothing is left.
 */
export const conflateMapBy =
  <T, R>(
    keyOf: (value: T) => string,
    project: (value: T) => ObservableInput<R>,
    concurrent = Infinity,
  ): OperatorFunction<T, R> =>
  (source$) =>
    new Observable((out) => {
      const waiting = new Map<string, T>();
      const running = new Map<string, Subscription>();
      let ended = false;
      let filling = false;
      let again = false;

      /** Starts what waits, in a loop: projections that end synchronously would overflow the stack of a recursion. */
      const fill = (): void => {
        again = true;
        if (filling) return;
        filling = true;
        while (again) {
          again = false;
          for (const [key, value] of waiting) {
            if (running.size >= concurrent) break;
            if (!running.has(key)) run(key, value);
          }
        }
        filling = false;
        if (ended && waiting.size === 0 && running.size === 0) out.complete();
      };

      const run = (key: string, value: T): void => {
        const inner = new Subscription();
        waiting.delete(key);
        running.set(key, inner);
        inner.add(
          defer(() => project(value)).subscribe({
            next: (result) => out.next(result),
            error: (error: unknown) => out.error(error),
            complete: () => {
              running.delete(key);
              fill();
            },
          }),
        );
      };

      out.add(() => running.forEach((inner) => inner.unsubscribe()));
      out.add(
        source$.subscribe({
          next: (value) => {
            waiting.set(keyOf(value), value);
            fill();
          },
          error: (error: unknown) => out.error(error),
          complete: () => {
            ended = true;
            fill();
          },
        }),
      );
    });
