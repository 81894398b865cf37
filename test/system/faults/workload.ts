import { setTimeout as sleep } from 'node:timers/promises';
import { isSettled } from '../../../streams/job/job-state';
import type { Bench } from '../service/bench';
import type { Instance } from '../service/instance';
import type { Feed } from '../watching/feed';
import { steadyOrder, type Order } from '../verdicts/orders';

/** Jobs submitted again and again, so that so many are live at any time. */
export interface Workload {
  readonly orders: readonly Order[];
  /** Orders that no instance answered. */
  readonly unanswered: readonly number[];
  /** Resolves once so many are live. */
  full(): Promise<void>;
  /** Resolves once all that was submitted is answered, or given up. */
  stop(): Promise<void>;
}

const AT_ONCE = 12;

export function workload(bench: Bench, feed: Feed, live: number, watch: (promptId: string) => void): Workload {
  const orders: Order[] = [];
  const unanswered: number[] = [];
  const life = new AbortController();
  let posting = 0;

  const liveNow = (): number => [...feed.latest.values()].filter((state) => !isSettled(state)).length;

  const listening = (): readonly Instance[] => bench.instances.filter(({ isListening }) => isListening);

  async function submit(order: Order): Promise<void> {
    const up = listening();
    try {
      const answer = await fetch(`${up[order.n % up.length]!.url}/jobs`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(order.request),
        signal: AbortSignal.timeout(20_000),
      });
      // From one that drains: the order is its caller's to submit again.
      if (answer.status === 503) return void unanswered.push(order.n);
      const { promptId } = (await answer.json()) as { promptId: string };
      feed.follow(promptId);
      watch(promptId);
    } catch {
      unanswered.push(order.n);
    }
  }

  void (async () => {
    while (!life.signal.aborted) {
      // While nobody listens nothing is submitted, or thousands of orders would come to nothing.
      const missing = listening().length === 0 ? 0 : Math.min(live - liveNow() - posting, AT_ONCE - posting);
      for (let n = 0; n < missing; n += 1) {
        const order = steadyOrder(orders.length);
        orders.push(order);
        posting += 1;
        void submit(order).finally(() => (posting -= 1));
      }
      await sleep(50);
    }
  })();

  return {
    orders,
    unanswered,
    full: async () => {
      const until = Date.now() + 60_000;
      while (liveNow() < live * 0.95 && Date.now() < until) await sleep(50);
    },
    stop: async () => {
      life.abort();
      while (posting > 0) await sleep(20);
    },
  };
}
