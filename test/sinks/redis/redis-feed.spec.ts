import { defer, EMPTY, of, Subject, VirtualTimeScheduler } from 'rxjs';
import { redisFeed } from '../../../sinks/redis/feed/redis-feed';
import { remoteListeners } from '../../../sinks/redis/feed/remote-listeners';
import { bounds } from '../../../streams/bounds';
import type { JobState } from '../../../streams/job/job-state';
import { aState } from '../a-state';

/** Somebody who watches a job, through a connection that begins to listen when it is told to. */
function aWatcher() {
  const clock = new VirtualTimeScheduler();
  const heard$ = new Subject<string | undefined>();
  let stored: JobState = aState();
  let reads = 0;
  const read$ = defer(() => {
    reads += 1;
    return of(JSON.stringify(stored));
  });
  const listener = { listen: () => heard$, close: () => EMPTY };
  const seen: number[] = [];
  const feed = redisFeed(
    listener,
    () => read$,
    () => undefined,
    clock,
  );
  const watching = feed.changes(stored.promptId).subscribe(({ seq }) => seen.push(seq));
  return {
    seen,
    reads: () => reads,
    begin: () => heard$.next(undefined),
    store: (seq: number) => (stored = aState({ seq })),
    publish: (seq: number) => heard$.next(JSON.stringify((stored = aState({ seq })))),
    pass: (ms: number) => {
      clock.maxFrames = clock.frame + ms;
      clock.schedule(() => 'now', ms);
      clock.flush();
    },
    end: () => watching.unsubscribe(),
  };
}

test('[R12] a last word that was stored and not published is heard all the same', () => {
  const { begin, publish, store, pass, seen, end } = aWatcher();
  begin();
  publish(2);
  store(3);
  pass(30_000);
  expect(seen).toEqual([1, 2, 3]);
  end();
});

test('[R8] what is published costs no read', () => {
  const { begin, publish, reads, pass, seen, end } = aWatcher();
  begin();
  for (let seq = 2; seq <= 12; seq += 1) {
    publish(seq);
    pass(10_000);
  }
  expect([seen.length, reads()]).toEqual([12, 1]);
  end();
});

test('who may not listen asks every few seconds', () => {
  const { store, pass, seen, end } = aWatcher();
  pass(3_000);
  store(2);
  pass(3_000);
  expect(seen).toEqual([1, 2]);
  end();
});

test('[R9] of the jobs that were watched elsewhere, those of long ago are forgotten', () => {
  const told: string[] = [];
  const announce = (_fence: unknown, channel: unknown): Promise<number> => Promise.resolve(told.push(String(channel)));
  const listeners = remoteListeners({ announce }, defer, (promptId) => promptId);
  for (let job = 0; job <= bounds.announcedJobs; job += 1) listeners.counted(`job-${job}`, 1);
  for (const promptId of ['job-0', `job-${bounds.announcedJobs}`]) listeners.announce(aState({ promptId }));
  expect(told).toEqual([expect.stringContaining(`job-${bounds.announcedJobs}`)]);
  expect(['job-0', `job-${bounds.announcedJobs}`].map(listeners.isHeard)).toEqual([false, true]);
});
