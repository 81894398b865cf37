import { EMPTY, NEVER, Subject, VirtualTimeScheduler, defer } from 'rxjs';
import { renewals } from '../../../pipeline/instance/renewals';
import { jobOf, type Job } from '../../../streams/job/job';
import { aState } from '../../sinks/a-state';

/** What is written anew while virtual time passes, of so many live jobs. */
function renewing(count: number) {
  const clock = new VirtualTimeScheduler();
  const lost$ = new Subject<void>();
  const done: string[] = [];
  const note = (what: string) => void done.push(`${clock.now()} ${what}`);
  const ids = Array.from({ length: count }, (_, n) => `job-${n + 1}`);
  const jobs = new Map<string, Job>(ids.map((promptId) => [promptId, jobOf(aState({ promptId }))]));
  const parts = {
    board: { jobs, job: (promptId: string) => jobs.get(promptId) },
    writer: {
      renew: ({ promptId }: { promptId: string }) => note(`renewed ${promptId}`),
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
  const passing = (ms: number): readonly string[] => {
    const running = renewals(parts, { clock }).subscribe();
    clock.maxFrames = ms;
    clock.flush();
    running.unsubscribe();
    return done;
  };
  return { clock, lost$, jobs, passing };
}

test('[R12] what the store may have lost is written again within a second, once for many signs: live jobs, the last ends, and the keys of both', () => {
  const { clock, lost$, passing } = renewing(1);
  for (const at of [0, 300, 900]) clock.schedule(() => lost$.next(), at);
  expect(passing(5_000)).toEqual(['1000 ends', '1000 rescued job-1', '1000 key of job-1', '1000 key of ended']);
});

test('live jobs are written again each ten minutes, a hundred at a time; one that has ended by its turn is not', () => {
  const { clock, jobs, passing } = renewing(201);
  clock.schedule(() => jobs.delete('job-150'), 600_010);
  const done = passing(1_200_000);
  const at = (time: string): number => done.filter((each) => each.startsWith(time)).length;
  expect([at('600000 renewed'), at('600020 renewed'), at('600040 renewed')]).toEqual([100, 99, 1]);
  expect(at('1200000 renewed')).toBe(100);
});
