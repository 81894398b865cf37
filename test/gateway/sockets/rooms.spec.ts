import { NEVER, ReplaySubject, Subject, VirtualTimeScheduler } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import type { Viewer } from '../../../gateway/admission/auth/auth';
import { allJobs } from '../../../gateway/sockets/all-jobs';
import { rooms, type News } from '../../../gateway/sockets/rooms';
import { sendQueue } from '../../../gateway/sockets/send-queue';
import { subscriptions } from '../../../gateway/sockets/subscriptions';
import type { Wire } from '../../../gateway/sockets/wire';
import { jobViews } from '../../../gateway/wire/job-views';
import type { WatchReply } from '../../../gateway/wire/protocol';
import { UnknownJob } from '../../../pipeline/api';
import type { Preview } from '../../../pipeline/api';
import { totalsOf } from '../../../sinks/listing/job-page';
import type { JobState } from '../../../streams/job/job-state';

const marbles = () => new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
const ada: Viewer = { userId: 'ada', role: 'user' };
const bob: Viewer = { userId: 'bob', role: 'user' };

const state = (seq: number): JobState => ({
  promptId: 'j',
  type: 'image_generation',
  userId: 'ada',
  status: 'processing',
  progress: seq,
  startedAt: 1,
  serverUrl: 'http://comfy',
  phase: 'running',
  updatedAt: seq,
  via: 'websocket',
  attempt: 1,
  epoch: 1,
  seq,
});
const preview = (promptId: string): Preview => ({
  promptId,
  nodeId: '3',
  mimeType: 'image/png',
  image: new Uint8Array(1),
});

const states = { a: state(1), b: state(2), c: state(3) };
const previews = { p: preview('j') };
const news: Record<string, News> = {
  a: { tag: 'state', job: states.a },
  b: { tag: 'state', job: states.b },
  c: { tag: 'state', job: states.c },
  p: { tag: 'preview', preview: previews.p },
};

test('two members share one watch, the late one begins with the present state', () => {
  marbles().run(({ hot, cold, expectObservable, expectSubscriptions }) => {
    const job$ = cold('  a--b---c|', states);
    const preview$ = hot('--p------', previews);
    const jobs = rooms({ watch: () => job$, previews: () => preview$ });
    expectObservable(jobs.news('j', ada)).toBe('       a-pb---c|', news);
    expectObservable(jobs.news('j', ada), '----^----').toBe('----b--c|', news);
    expectSubscriptions(job$.subscriptions).toBe('^-------!');
    expectSubscriptions(preview$.subscriptions).toBe('^-------!');
  });
});

test('the watch ends with the last member, and begins anew with the next', () => {
  marbles().run(({ hot, cold, expectObservable, expectSubscriptions }) => {
    const job$ = cold('a--b---c---', states);
    const preview$ = hot<Preview>('-----------');
    const jobs = rooms({ watch: () => job$, previews: () => preview$ });
    expectObservable(jobs.news('j', ada), '^----!').toBe('a--b--', news);
    expectObservable(jobs.news('j', ada), '-^-!').toBe('  -a', news);
    expectObservable(jobs.news('j', ada), '-------^---!').toBe('-------a--b', news);
    expectSubscriptions(job$.subscriptions).toBe(['^----!', '-------^---!']);
    expectSubscriptions(preview$.subscriptions).toBe(['^----!', '-------^---!']);
  });
});

test('[R14] who may not see the job hears neither states nor previews, even where another does', () => {
  marbles().run(({ hot, cold, expectObservable }) => {
    const job$ = cold('  a--b---', states);
    const preview$ = hot('pp--pp--', previews);
    const jobs = rooms({ watch: () => job$, previews: () => preview$ });
    expectObservable(jobs.news('j', ada), '^----!').toBe('ap-bp', news);
    expectObservable(jobs.news('j', bob)).toBe('#', news, new UnknownJob('j'));
    expectObservable(jobs.news('j', bob), '--^').toBe('--#', news, new UnknownJob('j'));
  });
});

test('previews wait until the state was seen', () => {
  marbles().run(({ hot, cold, expectObservable }) => {
    const job$ = cold('  ---a---', states);
    const preview$ = hot('-p---p-', previews);
    const jobs = rooms({ watch: () => job$, previews: () => preview$ });
    expectObservable(jobs.news('j', ada), '^-----!').toBe('---a-p', news);
  });
});

test('a settled job is watched once, for its end', () => {
  marbles().run(({ cold, hot, expectObservable, expectSubscriptions }) => {
    const job$ = cold('(c|)', states);
    const preview$ = hot<Preview>('------');
    const jobs = rooms({ watch: () => job$, previews: () => preview$ });
    expectObservable(jobs.news('j', ada)).toBe('(c|)', news);
    expectObservable(jobs.news('j', ada), '---^').toBe('---(c|)', news);
    expectSubscriptions(job$.subscriptions).toBe(['(^!)', '---(^!)']);
  });
});

describe('who watches all and is in a room', () => {
  /** A gateway with one socket; looks at the store under way end when they are told to. */
  function trial() {
    const clock = new VirtualTimeScheduler();
    const room$ = new ReplaySubject<JobState>(1);
    const looks: Subject<JobState>[] = [];
    const noEnds = { jobs: [], totals: totalsOf([]) };
    const stored = state(1);
    const pipeline = {
      states$: NEVER,
      live: () => (looks[looks.length] = new Subject()),
      list: () => Promise.resolve(noEnds),
      get: () => Promise.resolve(stored),
    };
    const all = allJobs(pipeline, clock);
    const shared = {
      pipeline,
      all,
      rooms: rooms({ watch: () => room$, previews: () => NEVER }),
      views: jobViews(() => []),
    };
    const socket = (viewer: Viewer) => {
      const told: number[] = [];
      const wire: Wire = {
        isDrained: () => true,
        backlogBytes: () => 0,
        states: (jobs) => jobs.forEach(({ seq }) => told.push(seq)),
        end: ({ seq }, heard) => {
          told.push(seq);
          heard(true);
        },
        preview: () => undefined,
        cut: () => undefined,
      };
      const limits = { waitingBytes: 2 ** 20, stallMs: 30_000 };
      const queue = sendQueue(wire, limits, clock, (leave) => leave());
      const follower = { viewer, queue, charge: () => undefined, onBroken: () => undefined };
      return { told, member: subscriptions(shared, follower) };
    };
    const settle = () => new Promise((resolve) => setImmediate(resolve));
    const look = async (...found: JobState[]) => {
      found.forEach((each) => looks.at(-1)!.next(each));
      looks.at(-1)!.complete();
      await settle();
    };
    const nextLook = (ms: number) => {
      clock.maxFrames = ms;
      clock.flush();
    };
    return { socket, room$, look, nextLook, settle };
  }
  const end: JobState = { ...state(5), status: 'completed', progress: 100 };

  test('hears nothing after a job’s end from a look that was under way; who watches alone hears the end at once', async () => {
    const { socket, room$, look, nextLook, settle } = trial();
    const [ann, alone] = [socket(ada), socket(ada)];
    [ann, alone].forEach(({ member }) => member.watch(() => undefined));
    await look(state(1));
    ann.member.join('j', () => undefined);
    room$.next(state(1));
    await settle();
    nextLook(3_500);
    room$.next(state(4));
    room$.next(end);
    room$.complete();
    await look(state(3));
    expect(ann.told).toEqual([4, 5]);
    expect(alone.told).toEqual([4, 5]);
    [ann, alone].forEach(({ member }) => member.close());
  });

  test('and leaves it hears no state again, nor an older one', async () => {
    const { socket, room$, look, nextLook, settle } = trial();
    const { told, member } = socket(ada);
    member.watch(() => undefined);
    await look(state(1));
    member.join('j', () => undefined);
    room$.next(state(1));
    await settle();
    room$.next(state(4));
    member.leave('j');
    nextLook(3_500);
    await look(state(3));
    nextLook(7_000);
    await look(state(4));
    nextLook(10_500);
    await look(state(6));
    expect(told).toEqual([4, 6]);
    member.close();
  });

  test('shows what it was told to who asks for all', async () => {
    const { socket, room$, look, settle } = trial();
    const [bobs, { member }] = [socket(bob), socket(ada)];
    bobs.member.watch(() => undefined);
    await look(state(1));
    member.join('j', () => undefined);
    room$.next(state(1));
    await settle();
    room$.next(state(4));
    const answer = new Promise<WatchReply>((resolve) => member.watch(resolve));
    expect(await answer).toMatchObject({ ok: true, jobs: [{ promptId: 'j', seq: 4 }] });
    [bobs.member, member].forEach((each) => each.close());
  });

  test('has a job that it was shown before a look found it told to others', async () => {
    const { socket, room$, look, nextLook, settle } = trial();
    const [ann, alone] = [socket(ada), socket(ada)];
    alone.member.watch(() => undefined);
    await look();
    ann.member.join('j', () => undefined);
    room$.next(state(1));
    await settle();
    nextLook(3_500);
    await look(state(1));
    expect(alone.told).toEqual([1]);
    [ann, alone].forEach(({ member }) => member.close());
  });
});
