import { EMPTY, NEVER, Subject, VirtualTimeScheduler, defer } from 'rxjs';
import { renewals } from '../../../pipeline/instance/renewals';
import { jobOf, type Job } from '../../../streams/job/job';
import { aState } from '../../sinks/a-state';

test('[R12] what the store may have lost is written again within a second, once for many signs: live jobs, the last ends, and the keys of both', () => {
  const clock = new VirtualTimeScheduler();
  const lost$ = new Subject<void>();
  const done: string[] = [];
  const note = (what: string) => void done.push(`${clock.now()} ${what}`);
  const jobs = new Map<string, Job>([['job-1', jobOf(aState())]]);
  const parts = {
    board: { jobs, job: (promptId: string) => jobs.get(promptId) },
    writer: {
      renew: () => note('renewed'),
      rescue: ({ promptId }: { promptId: string }) => note(`rescued ${promptId}`),
      ends: { again: () => note('ends') },
    },
    keys: {
      ended: () => [aState({ promptId: 'ended' })],
      renewed: ({ promptId }: { promptId: string }) => defer(() => (note(`key of ${promptId}`), EMPTY)),
    },
    store: { mayHaveLost$: lost$ },
    stop$: NEVER,
  };
  const running = renewals(parts, { clock }).subscribe();
  for (const at of [0, 300, 900]) clock.schedule(() => lost$.next(), at);
  clock.maxFrames = 5_000;
  clock.flush();
  running.unsubscribe();
  expect(done).toEqual(['1000 ends', '1000 rescued job-1', '1000 key of job-1', '1000 key of ended']);
});
