import { defer, EMPTY, NEVER, of, type Observable, type SchedulerLike } from 'rxjs';
import type { Hooks } from '../../../../sinks/webhook-queue';

/** Hooks that answer at once, for virtual time; the stores' own are held to the same by their contract. */
export function memoryHooks(clock: SchedulerLike, mayHaveLost$: Observable<unknown> = NEVER): Hooks {
  const kept = new Map<string, { text: string | undefined; dueAt: number; until: number }>();
  const doing = (work: () => void): Observable<never> =>
    defer(() => {
      work();
      return EMPTY;
    });
  return {
    mayHaveLost$,
    add: ({ promptId, text }, inMs) =>
      doing(() => {
        if (!kept.has(promptId)) kept.set(promptId, { text, dueAt: clock.now() + inMs, until: 0 });
      }),
    hurry: (promptId) =>
      doing(() => {
        const hook = kept.get(promptId);
        if (hook) hook.dueAt = Math.min(hook.dueAt, Math.max(clock.now(), hook.until));
      }),
    claim: (most, forMs) =>
      defer(() => {
        const due = [...kept].filter(([, hook]) => hook.text !== undefined && hook.dueAt <= clock.now()).slice(0, most);
        for (const [, hook] of due) hook.dueAt = hook.until = clock.now() + forMs;
        return of(due.map(([promptId, { text = '' }]) => ({ promptId, text })));
      }),
    later: ({ promptId, text }, inMs) =>
      doing(() => {
        if (kept.get(promptId)?.text !== undefined) kept.set(promptId, { text, dueAt: clock.now() + inMs, until: 0 });
      }),
    rest: ({ promptId, text }, inMs) =>
      doing(() => {
        const until = clock.now() + inMs;
        if (kept.get(promptId)?.text !== undefined) kept.set(promptId, { text, dueAt: until, until });
      }),
    done: (promptId) => doing(() => void kept.set(promptId, { text: undefined, dueAt: 0, until: 0 })),
  };
}
