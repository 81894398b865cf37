import { setTimeout as sleep } from 'node:timers/promises';
import { defer, from, mergeMap, NEVER, Subject, Subscription, VirtualTimeScheduler } from 'rxjs';
import type { Viewer } from '../../../gateway/admission/auth/auth';
import { allJobs, type LiveStates, type WatchNews } from '../../../gateway/sockets/all-jobs';
import { StoreUnavailable, UnreadableState } from '../../../sinks/job-store';
import { totalsOf } from '../../../sinks/listing/job-page';
import { isSettled, standingOf, type JobState } from '../../../streams/job/job-state';
import { eventually } from '../../support/until';
import { aCompletedJob as end, aRunningJob as job } from '../support/a-running-job';

const ada: Viewer = { userId: 'ada', role: 'user' };
const service: Viewer = { userId: 'ada', role: 'service' };

describe('what is known of all jobs', () => {
  /** News as it is when it comes. */
  type Heard = { readonly tag: 'live'; readonly live: LiveStates } | Exclude<WatchNews, { readonly tag: 'live' }>;
  const now = (news: WatchNews): Heard => (news.tag === 'live' ? { ...news, live: news.live() } : news);

  /** A pipeline whose store holds what `stored` has, in virtual time; looks answer at once. */
  function trial() {
    const clock = new VirtualTimeScheduler();
    const stored = new Map<string, JobState>();
    /** What asking for these jobs rejects with. */
    const failing = new Map<string, Error>();
    /** The store, while it does not answer. */
    const away = new Set<string>();
    const states$ = new Subject<JobState>();
    const asked: string[] = [];
    const jobs = allJobs(
      {
        states$,
        live: (onPartial) =>
          defer(() => {
            asked.push('live');
            if (away.size > 0) onPartial?.();
            return Promise.resolve([...stored.values()].filter((state) => !isSettled(state)));
          }).pipe(mergeMap((states) => states)),
        list: ({ status = [], since = 0 } = {}) => {
          const jobs = [...stored.values()].filter((state) => status.includes(standingOf(state)));
          return Promise.resolve({ jobs: jobs.filter(({ startedAt }) => startedAt >= since), totals: totalsOf([]) });
        },
        get: (promptId) => {
          asked.push(`get ${promptId}`);
          const error = failing.get(promptId);
          return error === undefined ? Promise.resolve(stored.get(promptId)) : Promise.reject(error);
        },
      },
      clock,
    );
    const watching = new Subscription();
    const hear = (viewer: Viewer): Heard[] => {
      const news: Heard[] = [];
      watching.add(jobs.news(viewer).subscribe((each) => news.push(now(each))));
      return news;
    };
    /** Runs the clock to this time, and what is asked meanwhile. */
    const until = async (ms: number): Promise<void> => {
      clock.maxFrames = ms;
      await sleep(5);
      clock.flush();
      await sleep(5);
    };
    return { stored, failing, away, states$, asked, jobs, hear, until, watching };
  }
  const told = (news: readonly Heard[]) =>
    news.map((each) =>
      each.tag === 'live'
        ? each.live.jobs.map(({ promptId, seq }) => `${promptId}${seq}`)
        : each.tag === 'partial'
          ? each.partial
          : `${each.job.promptId}${each.job.seq}`,
    );
  const put = (stored: Map<string, JobState>, ...states: JobState[]) =>
    states.forEach((state) => stored.set(state.promptId, state));

  test('nothing is asked while nobody watches, and everything once for all who do', async () => {
    const { stored, asked, hear, until, watching } = trial();
    put(stored, job('a', 1), job('b', 1, { userId: 'bob', startedAt: 2 }), end('c', 9));
    expect(asked).toEqual([]);
    const heard = [hear(ada), hear(service), hear({ userId: 'eve', role: 'user' })];
    await until(0);
    expect(heard.map(told)).toEqual([[['a1']], [['b1', 'a1']], [[]]]);
    expect(told(hear(ada))).toEqual([['a1']]);
    expect(asked).toEqual(['live']);
    watching.unsubscribe();
  });

  test('jobs elsewhere: what changed is told after the next look, an end as well, what is no more is not asked for again', async () => {
    const { stored, asked, hear, until, watching } = trial();
    put(stored, job('a', 1), job('b', 1), job('c', 1));
    const news = hear(ada);
    await until(0);
    put(stored, job('a', 2), end('b', 5), job('d', 1));
    stored.delete('c');
    await until(3_500);
    expect(told(news).slice(1)).toEqual(['a2', 'd1', 'b5']);
    await until(6_500);
    expect(told(news).slice(1)).toEqual(['a2', 'd1', 'b5']);
    expect(asked.filter((what) => what.startsWith('get'))).toEqual(['get c']);
    watching.unsubscribe();
  });

  test.each([
    ['[R15] a value that somebody wrote over hides no other end, and', 1, new UnreadableState('a', 'it is not JSON')],
    ['a store that does not answer for one hides no other end, and', 2, new StoreUnavailable('away')],
  ])('%s is asked for %d times', async (_what, times, error) => {
    const { stored, failing, asked, hear, until, watching } = trial();
    // What began lately and has ended is listed; of these two it is asked for.
    const long = { startedAt: -60_000 };
    put(stored, job('a', 1, long), job('b', 1, long));
    const news = hear(ada);
    await until(0);
    stored.delete('a');
    failing.set('a', error);
    put(stored, { ...end('b', 2), ...long });
    await until(3_500);
    expect(told(news).slice(1)).toEqual(['b2']);
    await until(6_500);
    expect(asked.filter((what) => what === 'get a')).toHaveLength(times);
    watching.unsubscribe();
  });

  test('jobs here are told at once, and nothing is told twice or backward by a look', async () => {
    const { stored, states$, hear, until, watching } = trial();
    put(stored, job('a', 1));
    const [early, late] = [hear(ada), hear(ada)];
    states$.next(job('a', 2));
    await until(0);
    for (const state of [job('a', 3), job('a', 3), end('a', 4), job('a', 5)]) states$.next(state);
    // The store is behind still.
    await until(3_500);
    expect(told(early)).toEqual(['a2', ['a2'], 'a3', 'a4']);
    expect(told(late)).toEqual(told(early));
    watching.unsubscribe();
  });

  test('a job elsewhere that begins and ends between two looks is told once, with its end; one that had ended before is not', async () => {
    const { stored, asked, hear, until, watching } = trial();
    put(stored, end('old', 9));
    const news = hear(ada);
    await until(0);
    put(stored, { ...end('a', 2), startedAt: 1_000 }, { ...end('b', 2), startedAt: 1_000, userId: 'bob' });
    await until(3_500);
    expect(told(news)).toEqual([[], 'a2']);
    await until(16_000);
    expect(told(news)).toEqual([[], 'a2']);
    expect(asked.filter((what) => what.startsWith('get'))).toEqual([]);
    watching.unsubscribe();
  });

  test('a job that somebody is shown as live is told of, and its end, though no look lists it as live', async () => {
    const { stored, jobs, hear, until, watching } = trial();
    jobs.tell(job('before', 1));
    const news = hear(ada);
    await until(0);
    jobs.tell(job('a', 1));
    put(stored, { ...end('a', 2), startedAt: -60_000 });
    await until(3_500);
    expect(told(news)).toEqual([[], 'a1', 'a2']);
    watching.unsubscribe();
  });

  test('that the store went away, and is back, is told once each; who asks meanwhile is answered so', async () => {
    const { stored, away, hear, until, watching } = trial();
    put(stored, job('a', 1));
    const news = hear(ada);
    await until(0);
    away.add('the store');
    for (const ms of [3_500, 6_500, 9_500]) await until(ms);
    expect(told(news)).toEqual([['a1'], true]);
    expect(hear(ada)).toMatchObject([{ live: { partial: true } }]);
    away.clear();
    for (const ms of [12_500, 15_500]) await until(ms);
    expect(told(news)).toEqual([['a1'], true, false]);
    watching.unsubscribe();
  });

  test('as many as fit in an answer, the newest, and that there are more', async () => {
    const { stored, hear, until, watching } = trial();
    for (let n = 0; n < 1_200; n += 1) put(stored, job(`j${n}`, 1, { startedAt: n, userId: n % 6 ? 'bob' : 'ada' }));
    const [all, own] = [hear(service), hear(ada)];
    await until(0);
    expect(all[0]).toMatchObject({ live: { more: true } });
    expect(told(all)[0]).toHaveLength(200);
    expect((told(all)[0] as readonly string[])[0]).toBe('j11991');
    expect(told(own)[0]).toHaveLength(200);
    expect(own[0]).toMatchObject({ live: { more: false } });
    watching.unsubscribe();
  });

  test('a store that does not answer breaks nothing', async () => {
    const states$ = new Subject<JobState>();
    const jobs = allJobs(
      {
        states$,
        live: () => from(Promise.resolve([])).pipe(mergeMap((none) => none)),
        list: () => Promise.reject(new Error('the store is away')),
        get: () => Promise.reject(new Error('the store is away')),
      },
      new VirtualTimeScheduler(),
    );
    const news: Heard[] = [];
    const watching = jobs.news(ada).subscribe((each) => news.push(now(each)));
    states$.next(job('a', 1));
    await eventually(() => expect(told(news)).toEqual(['a1', ['a1']]));
    watching.unsubscribe();
  });

  test('a change costs those who may hear of it, not all who watch', () => {
    const states$ = new Subject<JobState>();
    const list = () => Promise.resolve({ jobs: [], totals: totalsOf([]) });
    const source = { states$, live: () => NEVER, list, get: () => Promise.resolve(undefined) };
    const jobs = allJobs(source, new VirtualTimeScheduler());
    const watching = new Subscription();
    let heard = 0;
    for (let n = 0; n < 10_000; n += 1) {
      watching.add(jobs.news({ userId: `user-${n}`, role: 'user' }).subscribe(() => (heard += 1)));
    }
    const before = process.cpuUsage();
    for (let seq = 1; seq <= 10_000; seq += 1) states$.next(job('a', seq, { userId: 'user-7' }));
    expect(heard).toBe(10_000);
    // Of this process's own work, in µs: what else the machine does is no part of it.
    expect(process.cpuUsage(before).user).toBeLessThan(1_500_000);
    watching.unsubscribe();
  });
});
