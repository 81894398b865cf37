import * as E from 'fp-ts/Either';
import { defer, filter, ignoreElements, interval, merge, noop, Observable, share, tap, type Subscriber } from 'rxjs';
import { isNewer, type JobState } from '../streams/job-state';
import type { Report } from '../streams/reporting';
import { decodeJobState } from './job-state.codec';
import { jobKey } from './job-store';
import { connect, PATIENT } from './redis-connection';

/** How often a connection that only listens is asked for a sign of life: silence alone proves nothing (as in R7). */
const HEARTBEAT_MS = 10_000;

/** The sharded channel on which a job's states are published; it shares the slot of the job's key. */
export const feedChannel = (promptId: string): string => `{${jobKey(promptId)}}:feed`;

/** What is published of each job, heard on a connection of its own. */
export interface RedisFeed {
  /** See `JobStore.changes`. A channel is subscribed while somebody watches its job, once for all who do. */
  changes(promptId: string): Observable<JobState>;
  close(): Observable<never>;
}

/** One job that somebody watches. */
interface Watched {
  readonly promptId: string;
  readonly out: Subscriber<JobState>;
  last?: JobState;
}

/** Connects when the first job is watched, then comes back by itself for as long as it takes. */
export function redisFeed(url: string, report: Report, heartbeatMs = HEARTBEAT_MS): RedisFeed {
  const connection = connect(url, PATIENT, 'redis feed', report);
  const { redis } = connection;
  const watched = new Map<string, Watched>();
  const shared = new Map<string, Observable<JobState>>();

  redis.on('ready', () => watched.forEach(({ promptId }, channel) => subscribe(channel, promptId)));
  redis.on('smessage', (channel: string, json: string) => hear(channel, json, isAnother));

  function send<T>(command: () => Promise<T>, next: (answer: T) => void = noop): void {
    defer(command).subscribe({
      next,
      error: (error: unknown) => {
        // A lost connection tells so itself, and all is subscribed again when it is back.
        if (redis.status === 'ready') report('redis feed', connection.told(error));
      },
    });
  }

  function subscribe(channel: string, promptId: string): void {
    send(
      () => redis.ssubscribe(channel),
      // ioredis repeats what a lost connection left unanswered, even if nobody wants it any more.
      () => !watched.has(channel) && unsubscribe(channel),
    );
    // What was stored while nobody listened. RESP3 allows this on the listening connection, so nothing slips in between.
    send(
      () => redis.get(jobKey(promptId)),
      (json) => json !== null && hear(channel, json, isNewer),
    );
  }

  function unsubscribe(channel: string): void {
    if (redis.status === 'ready') send(() => redis.sunsubscribe(channel));
  }

  function hear(channel: string, json: string, isNews: (state: JobState, last: JobState) => boolean): void {
    const watch = watched.get(channel);
    if (watch === undefined) return;
    const state = decodeJobState(jobKey(watch.promptId), json);
    if (E.isLeft(state)) report('redis feed', state.left);
    else if (watch.last === undefined || isNews(state.right, watch.last)) {
      watch.last = state.right;
      watch.out.next(state.right);
    }
  }

  const heartbeat$ = interval(heartbeatMs).pipe(
    filter(() => redis.status === 'ready'),
    tap(() => send(() => redis.ping())),
    ignoreElements(),
    share(),
  );

  function heard(promptId: string): Observable<JobState> {
    return new Observable((out) => {
      const channel = feedChannel(promptId);
      watched.set(channel, { promptId, out });
      if (redis.status === 'ready') subscribe(channel, promptId);
      if (redis.status === 'wait') redis.connect().catch(() => 'its error event tells');
      return () => {
        watched.delete(channel);
        shared.delete(promptId);
        unsubscribe(channel);
      };
    });
  }

  const feed: RedisFeed = {
    changes: (promptId) =>
      defer(() => {
        const changes$ = shared.get(promptId) ?? merge(heard(promptId), heartbeat$).pipe(share());
        shared.set(promptId, changes$);
        return changes$;
      }),
    close: () => connection.hangUp(),
  };
  return feed;
}

const isAnother = (state: JobState, last: JobState): boolean => state.epoch !== last.epoch || state.seq !== last.seq;
