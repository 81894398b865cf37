import { Subscription, type SchedulerAction, type SchedulerLike } from 'rxjs';

/** The timers as they are when the program starts: fake ones that a test installs later stop no job. */
const { setTimeout: realSetTimeout, clearTimeout: realClearTimeout, Date: RealDate } = globalThis;

/** Real time, also while an application's test fakes the global timers: its sockets go on. */
export const realClock: SchedulerLike = {
  now: () => RealDate.now(),
  schedule<T>(work: (this: SchedulerAction<T>, state?: T) => void, delay = 0, state?: T): Subscription {
    return new Action(work).schedule(state, delay);
  },
};

/** Scheduled work, which may schedule itself again. Once unsubscribed, it is not run any more. */
class Action<T> extends Subscription implements SchedulerAction<T> {
  #due: NodeJS.Timeout | undefined;

  constructor(private readonly work: (this: SchedulerAction<T>, state?: T) => void) {
    super(() => realClearTimeout(this.#due));
  }

  schedule(state?: T, delay = 0): Subscription {
    if (this.closed) return this;
    realClearTimeout(this.#due);
    const due = realSetTimeout(() => {
      this.work.call(this, state);
      // Work that did not schedule itself again is over.
      if (this.#due === due) this.unsubscribe();
    }, delay);
    this.#due = due;
    return this;
  }
}
