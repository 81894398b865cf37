import { defer, finalize, type MonoTypeOperatorFunction } from 'rxjs';

/** The jobs on their way between the store and the board, which recovery must not take up. */
export interface Transit {
  has(promptId: string): boolean;
  readonly isEmpty: () => boolean;
  /** Counts a job as on its way while the source is subscribed to. */
  during<T>(promptId: string): MonoTypeOperatorFunction<T>;
  enter(promptId: string): void;
  leave(promptId: string): void;
}

export function inTransit(): Transit {
  const times = new Map<string, number>();
  const enter = (promptId: string): void => void times.set(promptId, (times.get(promptId) ?? 0) + 1);
  const leave = (promptId: string): void => {
    const left = (times.get(promptId) ?? 1) - 1;
    if (left === 0) times.delete(promptId);
    else times.set(promptId, left);
  };
  return {
    enter,
    leave,
    has: (promptId) => times.has(promptId),
    isEmpty: () => times.size === 0,
    during: (promptId) => (source$) =>
      defer(() => {
        enter(promptId);
        return source$.pipe(finalize(() => leave(promptId)));
      }),
  };
}
