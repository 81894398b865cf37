import { Redis } from 'ioredis';
import { feedChannel } from '../../../../../sinks/redis/feed/redis-feed';
import { jobKey } from '../../../../../sinks/job-store';
import { isNewer, isSettled, type JobState } from '../../../../../streams/job/job-state';
import type { Feed } from '../../../watching/feed';

/** What Redis itself says, in its own order: each accepted write of the jobs that are followed. */
export interface RedisFeed extends Feed {
  /** As Redis has them. */
  readonly latest: ReadonlyMap<string, JobState>;
  /** What was accepted of an owner although a newer one's was there, as a zombie's would be. */
  readonly backward: readonly { readonly before: JobState; readonly after: JobState }[];
}

export function feedOf(url: string): RedisFeed {
  const ear = new Redis(url, { autoResubscribe: false, maxRetriesPerRequest: null, retryStrategy: () => 100 });
  const look = new Redis(url, { maxRetriesPerRequest: null, retryStrategy: () => 100 });
  const latest = new Map<string, JobState>();
  /** The last that was announced: what was read may be ahead of it. */
  const announced = new Map<string, JobState>();
  const followed = new Set<string>();
  const backward: { before: JobState; after: JobState }[] = [];
  const unsettled: string[] = [];

  for (const redis of [ear, look]) redis.on('error', () => undefined);
  ear.on('ready', () => {
    if (followed.size === 0) return;
    void ear.ssubscribe(...[...followed].map(feedChannel)).catch(() => undefined);
    // What was said while nobody listened.
    void missed([...followed]).catch(() => undefined);
  });
  ear.on('smessage', (_channel: string, json: string) => {
    take(JSON.parse(json) as JobState, true);
  });

  async function missed(promptIds: readonly string[]): Promise<void> {
    const jsons = await look.mget(promptIds.map(jobKey));
    for (const json of jsons) if (json !== null) take(JSON.parse(json) as JobState, false);
  }

  function take(after: JobState, isNews: boolean): void {
    const { promptId } = after;
    const before = latest.get(promptId);
    const isBackward = before !== undefined && !isNewer(after, before);
    const last = isNews ? announced.get(promptId) : undefined;
    // An owner's own states may come twice: told to those who listen, and later stored.
    if (last !== undefined && after.epoch < last.epoch) backward.push({ before: last, after });
    if (isNews) announced.set(promptId, after);
    if (before !== undefined && isSettled(before) && isNewer(after, before)) unsettled.push(promptId);
    if (!isBackward) latest.set(promptId, after);
    if (!isSettled(after) || !followed.delete(promptId)) return;
    // A zombie may come a while after.
    setTimeout(() => void ear.sunsubscribe(feedChannel(promptId)).catch(() => undefined), 30_000).unref();
  }

  return {
    follow: (promptId) => {
      followed.add(promptId);
      if (ear.status === 'ready') void ear.ssubscribe(feedChannel(promptId)).catch(() => undefined);
      void missed([promptId]).catch(() => undefined);
    },
    forget: (promptId) => {
      followed.delete(promptId);
      latest.delete(promptId);
    },
    latest,
    backward,
    unsettled,
    close: () => [ear, look].forEach((redis) => redis.disconnect()),
  };
}
