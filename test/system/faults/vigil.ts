import { jobKey } from '../../../sinks/job-store';
import { isSettled, sessionOf, type JobState } from '../../../streams/job/job-state';
import { holders, type Bench } from '../service/bench';
import type { Feed } from '../watching/feed';

/** For how long jobs had nobody to watch them. */
export interface Vigil {
  /** The longest time, in ms, in which a job's session was held by no process that ran; Redis's own absences apart. */
  longestMs(): number;
  /** The job it was. */
  longestOf(): string;
  /** The same with Redis's absences. */
  longestInAllMs(): number;
  /** Accepted writes, by Redis's own count. */
  writes(): number;
  stop(): Promise<void>;
}

const EVERY_MS = 200;
const PATIENCE_MS = 400;
/** A job that nobody has watched for so long may go by another id; one that is lost is missed in the end. */
const DOUBTFUL_MS = 5_000;

interface Gap {
  ms: number;
  inAllMs: number;
}

/** Looks again and again who holds the sessions of the live jobs, and whether that process runs. `isAwake` knows the stopped ones. */
export function vigil(bench: Bench, feed: Feed, isAwake: (pid: number) => boolean): Vigil {
  const gaps = new Map<string, Gap>();
  const longest: Gap & { promptId: string } = { promptId: '', ms: 0, inAllMs: 0 };
  let held: ReadonlyMap<string, number> = new Map();
  let published = 0;
  let publishedBefore = 0;
  const life = new AbortController();
  let at = Date.now();

  const inTime = <T>(answer: Promise<T>): Promise<T | undefined> =>
    Promise.race([
      answer.catch(() => undefined),
      new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), PATIENCE_MS)),
    ]);

  async function look(): Promise<void> {
    const now = await inTime(Promise.all([holders(bench.ask), bench.ask.info('commandstats')]));
    const ms = Date.now() - at;
    at = Date.now();
    if (now !== undefined) {
      held = now[0];
      count(now[1]);
    }
    const live = new Map<string, JobState>();
    for (const state of feed.latest.values()) if (!isSettled(state)) live.set(state.promptId, state);
    for (const promptId of gaps.keys()) if (!live.has(promptId)) gaps.delete(promptId);
    for (const [promptId, state] of live) {
      const pid = held.get(sessionOf(state) ?? '');
      if (pid !== undefined && isAwake(pid)) gaps.delete(promptId);
      else note(promptId, now === undefined ? 0 : ms, ms);
    }
    const doubtful = [...gaps].filter(([, gap]) => gap.ms > DOUBTFUL_MS).map(([promptId]) => promptId);
    for (const promptId of doubtful)
      if ((await inTime(bench.ask.exists(jobKey(promptId)))) === 0) feed.forget(promptId);
  }

  function note(promptId: string, ms: number, inAllMs: number): void {
    const gap = gaps.get(promptId) ?? { ms: 0, inAllMs: 0 };
    gap.ms += ms;
    gap.inAllMs += inAllMs;
    gaps.set(promptId, gap);
    if (gap.ms > longest.ms) longest.promptId = promptId;
    longest.ms = Math.max(longest.ms, gap.ms);
    longest.inAllMs = Math.max(longest.inAllMs, gap.inAllMs);
  }

  /** Each accepted write publishes once, and a repeated one never; Redis forgets its count when it is restarted. */
  function count(commandstats: string): void {
    const calls = Number(/cmdstat_spublish:calls=(\d+)/.exec(commandstats)?.[1] ?? 0);
    published += calls >= publishedBefore ? calls - publishedBefore : calls;
    publishedBefore = calls;
  }

  const running = (async () => {
    while (!life.signal.aborted) {
      await look();
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  })();
  return {
    longestMs: () => longest.ms,
    longestOf: () => longest.promptId,
    longestInAllMs: () => longest.inAllMs,
    writes: () => published,
    stop: () => {
      life.abort();
      return running;
    },
  };
}
