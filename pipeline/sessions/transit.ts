/** The jobs on their way between the store and the board, which recovery must not take up. */
export interface Transit {
  has(promptId: string): boolean;
  readonly isEmpty: () => boolean;
  /** Counts a job as on its way until `leave`; one that entered twice leaves twice. */
  enter(promptId: string): void;
  leave(promptId: string): void;
}

export function inTransit(): Transit {
  const times = new Map<string, number>();
  return {
    enter: (promptId) => void times.set(promptId, (times.get(promptId) ?? 0) + 1),
    leave: (promptId) => {
      const left = (times.get(promptId) ?? 1) - 1;
      if (left === 0) times.delete(promptId);
      else times.set(promptId, left);
    },
    has: (promptId) => times.has(promptId),
    isEmpty: () => times.size === 0,
  };
}
