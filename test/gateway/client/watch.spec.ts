import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { defer, from, mergeMap, NEVER, Subject, Subscription, VirtualTimeScheduler } from 'rxjs';
import type { Viewer } from '../../../gateway/admission/auth/auth';
import { allJobs, type LiveStates, type WatchNews } from '../../../gateway/sockets/all-jobs';
import type { WatchReply } from '../../../gateway/wire/protocol';
import { startGateway, type Gateway } from '../../../gateway/server/server';
import type { Pipeline } from '../../../pipeline/api';
import { createPipeline } from '../../../pipeline/instance/create-pipeline';
import { StoreUnavailable, UnreadableState } from '../../../sinks/job-store';
import { redisStore } from '../../../sinks/redis/redis-store';
import { totalsOf } from '../../../sinks/listing/job-page';
import { isSettled, standingOf, type JobState } from '../../../streams/job/job-state';
import { startComfyUI, type ComfyUIStandIn } from '../../support/comfyui/stand-in';
import { steps } from '../../support/comfyui/workflows';
import { startRedis, type RedisServer } from '../../support/redis/redis-server';
import { client, connected, join, refused, statesOf, type Client } from '../support/client';
import { eventually } from '../../support/until';
import { settled } from '../support/settled';
import { testAuth, tokenOf } from '../support/admission/tokens';

const watch = (socket: Client, ...args: unknown[]): Promise<WatchReply> =>
  new Promise((resolve) => socket.emit('jobs:watch', ...args, resolve));
const ada: Viewer = { userId: 'ada', role: 'user' };
const service: Viewer = { userId: 'ada', role: 'service' };

describe('two instances on one Redis', () => {
  let redis: RedisServer;
  let comfy: ComfyUIStandIn;
  let idle: ComfyUIStandIn;
  let holder: Pipeline;
  let other: Pipeline;
  let here: Gateway;
  let there: Gateway;
  const sockets: Client[] = [];

  beforeAll(async () => {
    redis = await startRedis();
    [comfy, idle] = await Promise.all([
      startComfyUI({ version: '0.33.0', timeScale: 0.2 }),
      startComfyUI({ version: '0.33.0' }),
    ]);
    const report = () => undefined;
    const pipelineOn = (url: string) =>
      createPipeline({ servers: [url], store: redisStore({ url: redis.url, report }), report });
    [holder, other] = [pipelineOn(comfy.url), pipelineOn(idle.url)];
    const gatewayOf = (pipeline: Pipeline) =>
      startGateway({ pipeline, host: '127.0.0.1', port: 0, auth: testAuth, logger: pino({ level: 'silent' }) });
    [here, there] = await Promise.all([gatewayOf(holder), gatewayOf(other)]);
  });
  afterEach(() => {
    holdAt(Infinity);
    sockets.splice(0).forEach((socket) => socket.disconnect());
  });
  afterAll(async () => {
    await Promise.all([here.close(), there.close()]);
    await Promise.all([holder.close(), other.close()]);
    await Promise.all([comfy.stop(), idle.stop(), redis.stop()]);
  });

  /** Jobs go no further than this step until they are let go. */
  const holdAt = (step: number): void => void (comfy.faults.mostSteps = step);
  const submit = (userId: string, count = 20) =>
    holder.submit({ workflow: steps({ steps: count, secondsPerStep: 0.2 }), type: 'image_generation', userId });
  const socketOf = async (claims: object, gateway = here) => {
    const socket = await connected(gateway, await tokenOf({ ...claims }));
    sockets.push(socket);
    return socket;
  };

  const viewers = [
    ['ada', { sub: 'ada' }, ['ada']],
    ['bob', { sub: 'bob' }, ['bob']],
    ['carol, who has none', { sub: 'carol' }, []],
    ['a user who is named as another user’s role', { sub: 'x', role: 'ada' }, []],
    ['a service', { role: 'service' }, ['ada', 'bob']],
    ['a service that is named as a user', { sub: 'carol', role: 'service' }, ['ada', 'bob']],
  ] as const;

  test.each(viewers)(
    '[R14] %s: of all jobs that live and change, only those they may see',
    async (_, claims, users) => {
      holdAt(2);
      const jobs = [await submit('ada', 5), await submit('bob', 5)];
      const socket = await socketOf(claims);
      const states = statesOf(socket);
      const reply = await watch(socket);
      expect(reply).toMatchObject({ ok: true, more: false });
      const owners = (told: readonly { readonly userId: string }[]) =>
        [...new Set(told.map(({ userId }) => userId))].sort();
      expect(owners(reply.ok ? reply.jobs : [])).toEqual(users);
      holdAt(Infinity);
      await Promise.all(jobs.map(({ promptId }) => settled(holder, promptId)));
      const ended = () => owners(states.filter(({ status }) => status === 'completed'));
      await eventually(() => expect(ended()).toEqual(users));
      expect(owners(states)).toEqual(users);
      expect(JSON.stringify([reply, states])).not.toMatch(/clientId|session/);
    },
  );

  test('[R14] who has no jobs is answered the same whether others have some or not', async () => {
    const socket = await socketOf({ sub: 'carol' });
    const { promptId } = await submit('ada', 1);
    const answer = await watch(socket);
    await settled(holder, promptId);
    expect(await watch(socket)).toEqual(answer);
    expect(answer).toEqual({ ok: true, jobs: [], more: false });
  });

  test('[R14] without a valid token there is nothing to watch', async () => {
    for (const token of [undefined, 'nonsense', await tokenOf({ sub: 'ada' }, { expires: '1 minute ago' })]) {
      await expect(refused(client(here, token))).rejects.toMatchObject({ data: { code: 'unauthorized' } });
    }
  });

  test('jobs of another instance are seen as well, a little later, and to their end', async () => {
    holdAt(10);
    const before = await submit('ada', 40);
    const socket = await socketOf({ sub: 'ada' }, there);
    const states = statesOf(socket);
    expect(await watch(socket)).toMatchObject({ ok: true, jobs: [{ promptId: before.promptId }] });
    holdAt(Infinity);
    await settled(holder, before.promptId);
    await eventually(() => expect(states.at(-1)).toMatchObject({ promptId: before.promptId, status: 'completed' }));
  });

  test('short jobs of another instance are told of, each with its end', async () => {
    const socket = await socketOf({ sub: 'ada' }, there);
    const states = statesOf(socket);
    await watch(socket);
    const ids: string[] = [];
    for (let n = 0; n < 3; n += 1) {
      const { promptId } = await submit('ada', 1);
      await settled(holder, promptId);
      ids.push(promptId);
    }
    const ended = () => states.filter(({ status }) => status === 'completed').map(({ promptId }) => promptId);
    await eventually(() => expect(ended().sort()).toEqual([...ids].sort()));
  });

  test('a job that is also joined is told once; who leaves it goes on hearing of it; who unwatches does not', async () => {
    holdAt(5);
    const { promptId } = await submit('ada', 60);
    const socket = await socketOf({ sub: 'ada' });
    const states = statesOf(socket);
    await Promise.all([watch(socket), join(socket, promptId)]);
    holdAt(20);
    await eventually(() => expect(states.at(-1)?.node?.value).toBeGreaterThan(5));
    socket.emit('job:leave', promptId);
    holdAt(40);
    await eventually(() => expect(states.at(-1)?.node?.value).toBeGreaterThan(20));
    const seqs = states.map(({ seq }) => seq);
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
    socket.emit('jobs:unwatch');
    await join(socket, 'no-such-job');
    const last = states.length;
    holdAt(Infinity);
    await settled(holder, promptId);
    await join(socket, 'no-such-job');
    expect(states).toHaveLength(last);
  });

  test('odd watches do no harm: no ack, odd arguments, many at once', async () => {
    const socket = await socketOf({ sub: 'ada' });
    const states = statesOf(socket);
    socket.emit('jobs:unwatch', {}, () => undefined);
    socket.emit('jobs:watch', null, { userId: 'bob' });
    expect(await watch(socket, 'bob', { role: 'service' })).toMatchObject({ ok: true });
    for (let n = 0; n < 100; n += 1) socket.emit('jobs:watch');
    const { promptId } = await submit('ada', 3);
    await eventually(() => expect(states.at(-1)).toMatchObject({ promptId, status: 'completed' }));
    const seqs = states.filter((state) => state.promptId === promptId).map(({ seq }) => seq);
    // Without an ack the live jobs come as events.
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
  });
});

describe('what is known of all jobs', () => {
  const job = (promptId: string, seq: number, more: Partial<JobState> = {}): JobState => ({
    promptId,
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
    ...more,
  });
  const end = (promptId: string, seq: number) => job(promptId, seq, { status: 'completed', progress: 100 });

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
