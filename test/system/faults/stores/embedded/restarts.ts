import { setTimeout as sleep } from 'node:timers/promises';
import type { Instance } from '../../../service/instance';
import type { KnownState } from '../../../watching/watching';
import { noted } from '../../../table';
import type { Vigil } from '../tested-store';
import type { ClientFeed } from './client-feed';
import { isTakenUp } from '../take-over';
import { liveIn } from './drill';

const EVERY_MS = 100;

/** An end of a process whose jobs are not all taken up again. */
interface Open {
  readonly at: number;
  left: readonly KnownState[];
}

/** Measures, from each end of a process, how long its live jobs wait for the next one. Those of one that is stopped stay its own. */
export function restarts(instance: Instance, feed: ClientFeed): Vigil {
  let open: readonly Open[] = [];
  /** What was live at the last look: what lives when an end is seen, the next process may have taken already. */
  let live: readonly KnownState[] = [];
  let longest: { readonly ms: number; readonly promptId: string } = { ms: 0, promptId: 'none' };
  let ends = 0;
  let pid = instance.pid;

  async function look(): Promise<void> {
    if (pid !== 0 && instance.pid !== pid) {
      ends += 1;
      open = [...open, { at: Date.now(), left: live }];
    }
    pid = instance.pid;
    if (open.length > 0 && instance.isListening) await feed.refresh();
    for (const each of open) {
      each.left = each.left.filter((state) => !isTakenUp(feed, state));
      const [left] = each.left;
      if (left !== undefined && Date.now() - each.at > longest.ms)
        longest = { ms: Date.now() - each.at, promptId: left.promptId };
    }
    open = open.filter(({ left }) => left.length > 0);
    live = liveIn(feed);
  }

  const life = new AbortController();
  const running = (async () => {
    while (!life.signal.aborted) {
      await look();
      await sleep(EVERY_MS);
    }
  })();
  return {
    longestMs: () => longest.ms,
    details: () => [
      noted('  ends of its process', `${ends}`),
      noted('  longest without a watcher', `job ${longest.promptId}`),
    ],
    writes: () => feed.told(),
    stop: () => {
      life.abort();
      return running;
    },
  };
}
