import { jobKey } from '../../../../../sinks/job-store';
import { isSettled, sessionOf, type JobState } from '../../../../../streams/job/job-state';
import { holders, type RedisBench } from '../../../service/bench';
import { noted } from '../../../table';
import type { Vigil } from '../tested-store';
import type { RedisFeed } from './feed';

const EVERY_MS = 200;
const PATIENCE_MS = 400;
/** A job that nobody has watched for so long may go by another id; one that is lost is missed in the end. */
const DOUBTFUL_MS = 5_000;

interface Gap {
  ms: number;
  inAllMs: number;
}

/** Looks again and again who holds the sessions of the live jobs, and whether that process runs. `isAwake` knows the stopped ones. Redis's own absences are apart. */
export function vigil(bench: RedisBench, feed: RedisFeed, isAwake: (pid: number) => boolean): Vigil {
  const watch = new VigilWatch(bench, feed, isAwake);
  const life = new AbortController();
  const running = (async () => {
    while (!life.signal.aborted) {
      await watch.look();
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  })();
  return {
    longestMs: () => watch.longest.ms,
    details: () => {
      const { inAllMs, promptId } = watch.longest;
      return [noted('  with Redis’s own absences', `${(inAllMs / 1000).toFixed(1)} s, job ${promptId}`)];
    },
    // By Redis's own count.
    writes: () => watch.published,
    stop: () => {
      life.abort();
      return running;
    },
  };
}

/** The answer, or nothing where it fails or takes longer than `PATIENCE_MS`. */
const inTime = <T>(answer: Promise<T>): Promise<T | undefined> =>
  Promise.race([
    answer.catch(() => undefined),
    new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), PATIENCE_MS)),
  ]);

class VigilWatch {
  readonly longest: Gap & { promptId: string } = { promptId: '', ms: 0, inAllMs: 0 };
  published = 0;
  readonly #gaps = new Map<string, Gap>();
  readonly #bench: RedisBench;
  readonly #feed: RedisFeed;
  readonly #isAwake: (pid: number) => boolean;
  #held: ReadonlyMap<string, number> = new Map();
  #publishedBefore = 0;
  #at = Date.now();

  constructor(bench: RedisBench, feed: RedisFeed, isAwake: (pid: number) => boolean) {
    this.#bench = bench;
    this.#feed = feed;
    this.#isAwake = isAwake;
  }

  async look(): Promise<void> {
    const { ask } = this.#bench;
    const now = await inTime(Promise.all([holders(ask), ask.info('commandstats')]));
    const ms = Date.now() - this.#at;
    this.#at = Date.now();
    if (now !== undefined) {
      this.#held = now[0];
      this.#count(now[1]);
    }
    const live = new Map<string, JobState>();
    for (const state of this.#feed.latest.values()) if (!isSettled(state)) live.set(state.promptId, state);
    for (const promptId of this.#gaps.keys()) if (!live.has(promptId)) this.#gaps.delete(promptId);
    for (const [promptId, state] of live) {
      const pid = this.#held.get(sessionOf(state) ?? '');
      if (pid !== undefined && this.#isAwake(pid)) this.#gaps.delete(promptId);
      else this.#note(promptId, now === undefined ? 0 : ms, ms);
    }
    const doubtful = [...this.#gaps].filter(([, gap]) => gap.ms > DOUBTFUL_MS).map(([promptId]) => promptId);
    for (const promptId of doubtful)
      if ((await inTime(ask.exists(jobKey(promptId)))) === 0) this.#feed.forget(promptId);
  }

  #note(promptId: string, ms: number, inAllMs: number): void {
    const gap = this.#gaps.get(promptId) ?? { ms: 0, inAllMs: 0 };
    gap.ms += ms;
    gap.inAllMs += inAllMs;
    this.#gaps.set(promptId, gap);
    if (gap.ms > this.longest.ms) this.longest.promptId = promptId;
    this.longest.ms = Math.max(this.longest.ms, gap.ms);
    this.longest.inAllMs = Math.max(this.longest.inAllMs, gap.inAllMs);
  }

  /** Each accepted write publishes once, and a repeated one never; Redis forgets its count when it is restarted. */
  #count(commandstats: string): void {
    const calls = Number(/cmdstat_spublish:calls=(\d+)/.exec(commandstats)?.[1] ?? 0);
    this.published += calls >= this.#publishedBefore ? calls - this.#publishedBefore : calls;
    this.#publishedBefore = calls;
  }
}
