import {
  isObservable,
  lastValueFrom,
  of,
  Subject,
  Subscription,
  VirtualTimeScheduler,
  type Observable,
  type SchedulerAction,
} from 'rxjs';
import { delivery } from '../../../gateway/webhooks/delivery';
import type { Message, Outcome } from '../../../gateway/webhooks/sender';
import { jobViews } from '../../../gateway/wire/job-views';
import type { Hooks } from '../../../sinks/webhook-queue';
import type { JobState } from '../../../streams/job/job-state';
import { aState } from '../../sinks/a-state';
import { memoryHooks } from '../support/webhooks/memory-hooks';

/** The time of the running test, the webhooks that it has at first, and what was reported in it. */
export let clock: VirtualTimeScheduler;
export let firstHooks: Hooks;
export let reports: string[];

/** Has virtual time begin anew, without webhooks. */
export function startClock(): void {
  clock = virtualClock();
  firstHooks = memoryHooks(clock);
  reports = [];
}

/**
 * Virtual time whose timers are one action each, as those of real time are. RxJS's own has a new one each time that a timer
 * goes off, inside the one before: after a day of seconds they are more than a stack holds, and that is how they end.
 */
function virtualClock(): VirtualTimeScheduler {
  const virtual = new VirtualTimeScheduler();
  const once = virtual.schedule.bind(virtual);
  virtual.schedule = <T>(work: (this: SchedulerAction<T>, state?: T) => void, delay = 0, state?: T) => {
    let next = Subscription.EMPTY;
    const schedule = (state?: T, delay = 0): Subscription => {
      next = once(() => work.call(action, state), delay);
      return action;
    };
    const action = Object.assign(new Subscription(() => next.unsubscribe()), { schedule });
    return schedule(state, delay);
  };
  return virtual;
}

/** Virtual time goes on in steps, after each of which promises are kept. */
export const pass = async (ms: number, stepMs = 1_000): Promise<void> => {
  for (const end = clock.now() + ms; clock.now() < end;) {
    clock.maxFrames = clock.now() + stepMs;
    clock.schedule(() => 'now', stepMs);
    clock.flush();
    await new Promise(setImmediate);
  }
};

export const done = (work$: Observable<never>) => lastValueFrom(work$, { defaultValue: undefined });
export const ended = aState({ status: 'completed' });
export const delivered: Outcome = { tag: 'delivered' };
export const failed: Outcome = { tag: 'failed', reason: 'it answered 500' };

export const ada = { role: 'user' as const };
export const adas = (promptId: string) => ({ promptId, userId: ended.userId });

/** Opens deliveries of the webhooks that there are then; receivers answer the n-th message so. */
export function delivering(hooksNow: () => Hooks = () => firstHooks) {
  const open = (
    outcomes: (n: number, message: Message) => Outcome | Observable<Outcome>,
    job: () => JobState | undefined = () => ended,
  ) => {
    const sent: { readonly atMs: number; readonly message: Message }[] = [];
    const states$ = new Subject<JobState>();
    const it = delivery({
      pipeline: {
        get: (_promptId, isShown = () => true) => {
          const state = job();
          return Promise.resolve(state !== undefined && isShown(state) ? state : undefined);
        },
        states$,
      },
      views: jobViews(() => []),
      hooks: hooksNow(),
      send: (message) => {
        sent.push({ atMs: clock.now(), message });
        const outcome = outcomes(sent.length, message);
        return isObservable(outcome) ? outcome : of(outcome);
      },
      clock,
      random: () => 1,
      report: (_where, error) => reports.push(String(error)),
    });
    return { add: (...given: Parameters<typeof it.add>) => it.add(...given), close: () => it.close(), sent, states$ };
  };
  return { open };
}
