import { asyncScheduler, type SchedulerAction, type SchedulerLike, type Subscription } from 'rxjs';

/** Real time, so many times as fast: what waits for a minute waits for a second at 60. */
export function hurriedClock(times: number): SchedulerLike {
  const startedAt = Date.now();
  return {
    now: () => startedAt + (Date.now() - startedAt) * times,
    schedule<T>(work: (this: SchedulerAction<T>, state?: T) => void, delay = 0, state?: T): Subscription {
      return asyncScheduler.schedule(
        function (this: SchedulerAction<T>, state?: T) {
          const hurried = Object.create(this) as SchedulerAction<T>;
          hurried.schedule = (state, delay = 0) => this.schedule(state, delay / times);
          work.call(hurried, state);
        },
        delay / times,
        state,
      );
    },
  };
}
