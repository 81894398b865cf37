import { Subscription, type SchedulerAction, type SchedulerLike } from 'rxjs';

/** As they are when the program starts: what a test puts in their place later stops no job. */
const { setTimeout: later, clearTimeout: never, Date: RealDate } = globalThis;

/** Real time, whatever becomes of the global timers: tests of an application may hold those still while sockets go on. */
export const realClock: SchedulerLike = {
  now: () => RealDate.now(),
  schedule<T>(work: (this: SchedulerAction<T>, state?: T) => void, delay = 0, state?: T): Subscription {
    return new Action(work).schedule(state, delay);
  },
};

/** Work that may have itself done again; unsubscribed, it never is. */
class Action<T> extends Subscription implements SchedulerAction<T> {
  #due: NodeJS.Timeout | undefined;

  constructor(private readonly work: (this: SchedulerAction<T>, state?: T) => void) {
    super(() => never(this.#due));
  }

  schedule(state?: T, delay = 0): Subscription {
    if (this.closed) return this;
    never(this.#due);
    const due = later(() => {
      this.work.call(this, state);
      // Work that did not ask to be done again is over.
      if (this.#due === due) this.unsubscribe();
    }, delay);
    this.#due = due;
    return this;
  }
}
