import { defer, Observable, Subscription, type ObservableInput, type OperatorFunction } from 'rxjs';

/**
 * Runs at most one projection per key at a time, and `concurrent` in all. While a key's projection runs, or there are
 * enough others, only the key's newest value waits. Completes when the source has completed and nothing waits or runs.
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

      /** Starts what waits. In a loop: projections that end synchronously would overflow the stack of a recursion. */
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
