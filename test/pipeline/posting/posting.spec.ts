import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  EMPTY,
  NEVER,
  VirtualTimeScheduler,
  concat,
  defer,
  lastValueFrom,
  of,
  throwError,
  type Observable,
} from 'rxjs';
import { UnknownServer } from '../../../pipeline/api';
import type { Env } from '../../../pipeline/env';
import { choosing } from '../../../pipeline/posting/choose-server';
import { outages } from '../../../pipeline/posting/outages';
import { posting } from '../../../pipeline/posting/posting';
import { embeddedStore } from '../../../sinks/embedded/embedded-store';
import type { JobStore } from '../../../sinks/job-store';
import type { StoredWorkflow } from '../../../sinks/codecs/stored-workflow.codec';
import { redisStore } from '../../../sinks/redis/redis-store';
import type { ComfyUIServer } from '../../../sources/comfyui-server';
import { NoAnswer } from '../../../sources/rest/rest';
import { jobBoard, type BoardEvent } from '../../../streams/board/board';
import { jobOf } from '../../../streams/job/job';
import { watchers } from '../../../streams/operators/keyed-watchers';
import { runIdOf, type FailureKind, type JobState } from '../../../streams/job/job-state';
import { defaultTiming } from '../../../streams/job/timing';
import type { Workflow } from '../../../streams/job/workflow';
import { until } from '../../support/until';
import { aFailure, aState } from '../../streams/job/a-job';
import { get, start, stopAll } from '../../support/comfyui/client/comfyui-client';
import type { ComfyUIStandIn } from '../../support/comfyui/stand-in';
import { outOfMemory, steps } from '../../support/comfyui/workflows';
import { hurriedClock } from '../../support/pipeline/hurried-clock';
import {
  anInstance,
  closeAll,
  expectForward,
  takenUp,
  type Instance,
  type InstanceOptions,
} from '../../support/pipeline/pipelines';
import { startRedis, type RedisServer } from '../../support/redis/redis-server';

const ONE = 'http://one';
const OTHER = 'http://other';

describe('on virtual time', () => {
  interface Posted {
    readonly at: number;
    readonly url: string;
    readonly runId: string;
  }

  /** A board, servers that take what is posted, and a store that keeps one workflow. */
  function aShop(tags: Readonly<Record<string, readonly string[]>> = {}) {
    const clock = new VirtualTimeScheduler();
    const board = jobBoard(defaultTiming);
    const posts: Posted[] = [];
    const done: string[] = [];
    const answeredAt = new Map([ONE, OTHER].map((url) => [url, 0]));
    const kept = new Map<string, Workflow>([['p', {}]]);
    const puts: JobState[] = [];
    /** What waits to be stored. */
    const waiting = new Map<string, StoredWorkflow>();
    const leases = { trusted: true };
    const cancels = { answered: true };
    /** Whether each run that was handed to a server may be posted. */
    const mayPost: (() => boolean)[] = [];
    const aServer = (url: string): ComfyUIServer => {
      const its: Pick<ComfyUIServer, 'url' | 'submit' | 'cancel' | 'free' | 'answeredAt'> = {
        url,
        submit: ({ promptId, wanted, ...how }) =>
          defer(() => {
            mayPost.push(how.mayPost);
            if (!wanted()) return EMPTY;
            done.push(`post ${url}`);
            posts.push({ at: clock.now(), url, runId: promptId });
            return of<BoardEvent>({ tag: 'accepted', promptId, at: clock.now(), postedAt: clock.now() });
          }),
        cancel: (promptId) =>
          defer(() => {
            done.push(`cancel ${promptId}`);
            return cancels.answered ? EMPTY : throwError(() => new NoAnswer('no answer', true));
          }),
        free: () => defer(() => (done.push(`free ${url}`), EMPTY)),
        answeredAt: () => answeredAt.get(url) ?? 0,
      };
      return { ...its, ...(tags[url] !== undefined && { tags: tags[url] }) } as ComfyUIServer;
    };
    const store = {
      workflow: (promptId: string) => {
        const workflow = kept.get(promptId);
        return of(workflow && { tag: 'whole', prompt: { workflow: JSON.stringify(workflow) } });
      },
    } as unknown as JobStore;
    const writer = {
      keep: () => undefined,
      waitingWorkflow: (promptId: string) => waiting.get(promptId),
      stored: (state: JobState) => defer(() => (puts.push(state), done.push(`store ${runIdOf(state)}`), EMPTY)),
    };
    const own = (url: string): string => `client of ${url}`;
    const choice = choosing([ONE, OTHER].map(aServer), own, board);
    const env: Env = {
      ...{ clock, random: () => 0.5, report: () => 'as wanted' },
      backoff: { steadyMs: 0, delayMs: () => 1_000 },
    };
    const ready = (): Observable<never> => EMPTY;
    const sessions = { own, ready, leaseChanged: () => NEVER, lease: () => (leases.trusted ? 'certain' : 'doubtful') };
    const states = watchers<JobState>();
    const told = (promptId: string): Observable<JobState> => states.changes(promptId);
    const its = posting({ choice, sessions, board, store, writer, told }, env);
    const take = (event: BoardEvent): void => {
      for (const change of board.take(event)) {
        if (change.tag === 'state') states.tell(change.state.promptId, change.state);
        if (change.tag === 'released') states.release(change.promptId);
        if (change.tag === 'runAgain') heed(its.again(change.promptId, change.failure));
      }
    };
    const heed = (event$: Observable<BoardEvent>): void => void event$.subscribe(take);
    return {
      ...{ first: its.first.bind(its), takenUp: its.takenUp.bind(its), stop: its.stop.bind(its) },
      ...choice,
      due$: its.due$,
      server: choice.asked,
      outage$: outages(choice, board, env),
      board,
      posts,
      done,
      puts,
      kept,
      waiting,
      leases,
      cancels,
      mayPost,
      take,
      heed,
      now: () => clock.now(),
      pass: (ms: number) => {
        clock.maxFrames = clock.frame + ms;
        clock.schedule(() => 'now', ms);
        clock.flush();
      },
      link: (url: string) => take({ tag: 'linked', clientId: `client of ${url}`, at: clock.now() }),
      unlink: (url: string) => {
        answeredAt.set(url, 0);
        take({ tag: 'unlinked', clientId: `client of ${url}`, at: clock.now(), clean: false });
      },
      answers: (url: string) => answeredAt.set(url, clock.now()),
      open: (more: Partial<JobState> = {}) => {
        const state = aState({ serverUrl: ONE, clientId: `client of ${ONE}`, ...more });
        take({ tag: 'opened', job: jobOf(state, { accepted: true }) });
      },
      breaks: (kind: FailureKind) => {
        const state = board.job('p')?.state;
        if (state !== undefined)
          take({ tag: 'broke', promptId: runIdOf(state), at: clock.now(), failure: aFailure(kind) });
      },
    };
  }

  const retry = { maxAttempts: 9 };
  const resubmit = { maxAttempts: 9, onLost: 'resubmit' as const };

  test.each([
    ['that others can find is posted only while its lease is certain', true, false, [true, false]],
    ['that is stored nowhere is posted whatever its lease is', false, true, [true, true]],
    ['that was stored after it was submitted is posted only while its lease is certain', false, false, [true, false]],
  ] as const)('[R11] a job %s', (_, stored, waits, expected) => {
    const { heed, first, leases, mayPost, waiting } = aShop();
    if (waits) waiting.set('p', { tag: 'unposted', prompt: { workflow: '{}' } });
    heed(first(aState({ serverUrl: ONE, clientId: `client of ${ONE}` }), { workflow: '{}' }, stored));
    const may = [true, false].map((trusted) => {
      leases.trusted = trusted;
      return mayPost[0]?.();
    });
    expect(may).toEqual(expected);
  });

  test('a server that does not answer is asked to stop a job until that has ended, and no longer', () => {
    const { stop, open, take, done, cancels, pass } = aShop();
    cancels.answered = false;
    open();
    const events: BoardEvent[] = [];
    stop('p').subscribe((event) => {
      events.push(event);
      take(event);
    });
    expect(done).toEqual(['cancel p']);
    pass(1_000);
    expect(done).toEqual(['cancel p', 'cancel p']);
    expect(events.map(({ tag }) => tag)).toEqual(['cancelAsked']);
    take({ tag: 'broke', promptId: 'p', at: 1_000, failure: aFailure('node_error') });
    expect(events.map(({ tag }) => tag)).toEqual(['cancelAsked', 'suspected']);
    pass(60_000);
    expect(done).toEqual(['cancel p', 'cancel p']);
  });

  test('a job that is let go is asked to stop no longer', () => {
    const { stop, open, take, done, cancels, pass } = aShop();
    cancels.answered = false;
    open();
    stop('p').subscribe(take);
    take({ tag: 'released', promptId: 'p' });
    pass(60_000);
    expect(done).toEqual(['cancel p']);
  });

  describe('the server of a job', () => {
    test('is the one asked for, with or without a slash, healthy or not', () => {
      const { server, link } = aShop({ [OTHER]: ['lora_training'] });
      link(ONE);
      expect(server(`${OTHER}/`, 'face_swap').url).toBe(OTHER);
    });

    test('is one that takes its type, answers, and has the shortest queue', () => {
      const { server, link, unlink, answers, open, take } = aShop();
      link(ONE);
      link(OTHER);
      expect(server(undefined, 'x').url).toBe(ONE);
      open();
      expect(server(undefined, 'x').url).toBe(OTHER);
      take({ tag: 'queueLength', serverUrl: OTHER, remaining: 7, at: 0 });
      expect(server(undefined, 'x').url).toBe(ONE);
      unlink(ONE);
      expect(server(undefined, 'x').url).toBe(OTHER);
      answers(ONE);
    });

    test('that is not ours, or of a type that none takes, is an UnknownServer', () => {
      const { server } = aShop({ [ONE]: ['a'], [OTHER]: ['b'] });
      expect(() => server('http://elsewhere', 'a')).toThrow(UnknownServer);
      expect(() => server(undefined, 'c')).toThrow(UnknownServer);
      expect(server(undefined, 'b').url).toBe(OTHER);
    });

    test('is healthy while its socket is open, and where it answered since that was lost', () => {
      const { isHealthy, server, link, unlink, answers, pass } = aShop();
      const one = server(ONE, 'x');
      expect(isHealthy(one)).toBe(false);
      link(ONE);
      expect(isHealthy(one)).toBe(true);
      pass(5);
      unlink(ONE);
      expect(isHealthy(one)).toBe(false);
      pass(5);
      answers(ONE);
      expect(isHealthy(one)).toBe(true);
    });
  });

  describe('the next run', () => {
    test('[R12] is of the workflow that waits to be stored, where the store has none yet', () => {
      const { open, breaks, pass, posts, kept, waiting, link } = aShop();
      link(ONE);
      kept.clear();
      waiting.set('p', { tag: 'whole', prompt: { workflow: '{}' } });
      open({ retry });
      breaks('out_of_memory');
      pass(20_000);
      expect(posts).toHaveLength(1);
    });

    test('[R10] comes after 1, 2, 4, 8, then 16 s, each under an id of its own', () => {
      const { open, breaks, pass, posts, link, now } = aShop();
      link(ONE);
      open({ retry });
      const waits: number[] = [];
      for (let run = 2; run <= 8; run++) {
        const failedAt = now();
        breaks('out_of_memory');
        pass(20_000);
        waits.push(posts.at(-1)!.at - failedAt);
      }
      expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 16_000, 16_000]);
      expect(new Set(posts.map(({ runId }) => runId)).size).toBe(7);
    });

    test('after want of memory is posted once that was freed; its state is stored before it is posted', () => {
      const { open, breaks, pass, done, link, board, puts } = aShop();
      link(ONE);
      open({ retry });
      breaks('out_of_memory');
      pass(1_000);
      const { runId } = board.job('p')!.state;
      expect(done).toEqual([`free ${ONE}`, `store ${runId}`, `post ${ONE}`]);
      expect(puts).toMatchObject([{ promptId: 'p', attempt: 2, status: 'queued', runId }]);
    });

    test('of a lost job frees no memory, and stays on a server that answers', () => {
      const { open, take, pass, done, link } = aShop();
      link(ONE);
      link(OTHER);
      open({ retry: resubmit });
      take({ tag: 'abandoned', promptId: 'p', at: 0 });
      pass(1_000);
      expect(done.filter((each) => !each.startsWith('store'))).toEqual([`post ${ONE}`]);
    });

    test('goes to another server where its own does not answer', () => {
      const { open, breaks, pass, posts, link, board } = aShop();
      link(OTHER);
      open({ retry });
      breaks('out_of_memory');
      pass(1_000);
      expect(posts).toMatchObject([{ url: OTHER }]);
      expect(board.job('p')?.state).toMatchObject({ serverUrl: OTHER, clientId: `client of ${OTHER}` });
    });

    test('stays on the server that was asked for where none is for its type', () => {
      const { open, breaks, pass, posts, link } = aShop({ [ONE]: ['a'], [OTHER]: ['a'] });
      link(OTHER);
      open({ retry, type: 'b' });
      breaks('out_of_memory');
      pass(1_000);
      expect(posts).toMatchObject([{ url: ONE }]);
    });

    test('is not made where the workflow is kept no more: the job settles with what the last run failed of', () => {
      const { open, breaks, pass, posts, kept, board } = aShop();
      kept.clear();
      open({ retry });
      breaks('out_of_memory');
      pass(1_000);
      expect([posts, board.jobs.size]).toEqual([[], 0]);
    });

    test.each(['stop', 'released'] as const)('is not made for a job that is gone meanwhile: %s', (how) => {
      const { open, breaks, pass, posts, done, stop, heed, take } = aShop();
      open({ retry });
      breaks('out_of_memory');
      pass(500);
      if (how === 'stop') heed(stop('p'));
      else take({ tag: 'released', promptId: 'p' });
      pass(60_000);
      expect([posts, done]).toEqual([[], []]);
    });

    test('is stopped by its own id', () => {
      const { open, breaks, pass, done, stop, heed, link, board } = aShop();
      link(ONE);
      open({ retry });
      breaks('out_of_memory');
      pass(1_000);
      const { runId = '' } = board.job('p')!.state;
      heed(stop('p'));
      pass(1_000);
      expect(done.at(-1)).toBe(`cancel ${runId}`);
    });
  });

  describe('a server that stays away', () => {
    /** `ONE` with a job on it was lost at 0; the other answers, or does not. */
    const away = (retry = resubmit, otherIsThere = true) => {
      const shop = aShop();
      shop.link(ONE);
      if (otherIsThere) shop.link(OTHER);
      shop.open({ retry });
      shop.heed(shop.outage$);
      shop.unlink(ONE);
      return shop;
    };

    test('gives its jobs up to another after a minute, not before', () => {
      const { pass, board, posts } = away();
      pass(60_000);
      expect(board.job('p')?.state.attempt).toBe(1);
      pass(2_000);
      expect(board.job('p')?.state).toMatchObject({ attempt: 2, serverUrl: OTHER });
      pass(600_000);
      expect(posts).toMatchObject([{ url: OTHER }]);
    });

    test('[R4] keeps them while no other server answers: it is waited for', () => {
      const { pass, board, posts, link } = away(resubmit, false);
      pass(600_000);
      expect(board.job('p')?.state).toMatchObject({ attempt: 1, serverUrl: ONE });
      link(ONE);
      pass(600_000);
      expect([board.job('p')?.state.attempt, posts]).toEqual([1, []]);
    });

    test('counts from anew once it was back', () => {
      const { pass, board, link, unlink } = away();
      pass(50_000);
      link(ONE);
      pass(1_000);
      unlink(ONE);
      pass(59_000);
      expect(board.job('p')?.state.attempt).toBe(1);
      pass(3_000);
      expect(board.job('p')?.state.attempt).toBe(2);
    });

    test('is not away while it answers without a socket', () => {
      const { pass, board, answers } = away();
      pass(1);
      answers(ONE);
      pass(600_000);
      expect(board.job('p')?.state.attempt).toBe(1);
    });

    test('keeps jobs that may run once only', () => {
      const { pass, board } = away({ maxAttempts: 1, onLost: 'resubmit' });
      pass(600_000);
      expect(board.job('p')?.state).toMatchObject({ attempt: 1, status: 'queued' });
    });
  });
});

describe('with ComfyUI', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'jobstream-runs-'));
  });
  afterEach(async () => {
    await closeAll();
    await stopAll();
    rmSync(directory, { recursive: true, force: true });
  });

  const instance = (options: Partial<InstanceOptions> & Pick<InstanceOptions, 'servers'>): Instance =>
    anInstance({ store: (report) => embeddedStore({ directory, report }), clock: hurriedClock(3), ...options });
  const lasting = (seconds: number) => steps({ steps: seconds * 20, secondsPerStep: 0.05 });
  const progressed = ({ progress }: JobState): boolean => progress > 5;
  /** Until it is let go, a job that counts 20 steps stays in its middle, in each of its runs. */
  const hold = ({ faults }: ComfyUIStandIn): void => void (faults.mostSteps = 10);
  const letGo = ({ faults }: ComfyUIStandIn): void => void (faults.mostSteps = Infinity);
  const posts = ({ requests }: ComfyUIStandIn): readonly string[] =>
    requests.filter(({ method }) => method === 'POST').map(({ path }) => path);
  const expectOnceEach = (...servers: readonly ComfyUIStandIn[]): void => {
    for (const { executions } of servers) expect([...executions.values()].every((times) => times === 1)).toBe(true);
  };

  test.each(['0.3.30', '0.3.64', '0.33.0'] as const)(
    'a job that ran out of memory is run again on %s after that was freed, as often as it may',
    async (version) => {
      const comfy = await start({ version });
      const { run, pipeline } = instance({ servers: [comfy.url] });
      const job = await run(outOfMemory(), { maxAttempts: 2 });
      const between = await job.where(({ attempt }) => attempt === 2);
      expect(between).toMatchObject({ status: 'queued' });
      const end = await job.end;
      expect(end).toMatchObject({ promptId: job.promptId, status: 'failed', attempt: 2 });
      expect(end.failure?.kind).toBe('out_of_memory');
      expect(posts(comfy)).toEqual(['/prompt', '/free', '/prompt']);
      expect([...comfy.executions.keys()]).toEqual([
        version === '0.3.30' ? expect.any(String) : job.promptId,
        end.runId,
      ]);
      expectOnceEach(comfy);
      expectForward(job.states);
      expect(await pipeline.get(job.promptId)).toEqual(end);
    },
  );

  test('[R10] a server that does not free its memory is asked to run the job all the same', async () => {
    const comfy = await start();
    const { run, reports } = instance({ servers: [comfy.url] });
    comfy.faults.status = { httpStatus: 500, body: 'no', routes: ['/free'] };
    const job = await run(outOfMemory(), { maxAttempts: 2 });
    expect(await job.end).toMatchObject({ attempt: 2, failure: { kind: 'out_of_memory' } });
    expect(reports.map(([where]) => where)).toContain('free');
    expect(comfy.executions.size).toBe(2);
  });

  test.each(['0.3.30', '0.33.0'] as const)(
    '[R4] a job that %s forgot when it was restarted is run once more, and ends well',
    async (version) => {
      const comfy = await start({ version });
      const { run } = instance({ servers: [comfy.url] });
      hold(comfy);
      const job = await run(lasting(1), { onLost: 'resubmit' });
      await job.where(progressed);
      await comfy.restart();
      letGo(comfy);
      const end = await job.end;
      expect(end).toMatchObject({ promptId: job.promptId, status: 'completed', progress: 100, attempt: 2 });
      expect(end.outputs).toHaveLength(1);
      expect([...comfy.executions.keys()]).toEqual([
        version === '0.3.30' ? expect.any(String) : job.promptId,
        end.runId,
      ]);
      expectOnceEach(comfy);
      expectForward(job.states);
    },
  );

  test('a job without a policy is lost when its server forgot it, and is not run again', async () => {
    const comfy = await start();
    const { run } = instance({ servers: [comfy.url] });
    hold(comfy);
    const job = await run(lasting(1), { maxAttempts: 3 });
    await job.where(progressed);
    await comfy.restart();
    expect(await job.end).toMatchObject({ attempt: 1, failure: { kind: 'lost' } });
    expect(comfy.executions.size).toBe(1);
  });

  test('a job of a server that stays away is run on another, and not again when its own is back', async () => {
    const [one, other] = [await start(), await start()];
    const { run, pipeline } = instance({
      servers: [one.url, other.url],
      clock: hurriedClock(20),
      timing: defaultTiming,
    });
    hold(one);
    const job = await run(lasting(1), { onLost: 'resubmit', server: one.url });
    const stays = await run(lasting(0.5), { server: one.url });
    await job.where(progressed);
    await one.kill();
    await job.where(({ serverUrl }) => serverUrl === other.url);
    expect(pipeline.servers().map(({ healthy }) => healthy)).toEqual([false, true]);
    letGo(one);
    await one.start();
    const end = await job.end;
    expect(end).toMatchObject({ status: 'completed', serverUrl: other.url, attempt: 2 });
    expect([...other.executions.keys()]).toEqual([end.runId]);
    expect(await stays.end).toMatchObject({ attempt: 1, serverUrl: one.url, status: 'completed' });
    expectOnceEach(one, other);
    expectForward(job.states);
  });

  test('[R4] the only server is waited for, however long it stays away', async () => {
    const comfy = await start();
    const clock = hurriedClock(60);
    const { run } = instance({ servers: [comfy.url], clock, timing: defaultTiming });
    hold(comfy);
    const running = await run(lasting(1));
    const job = await run(lasting(0.3), { onLost: 'resubmit' });
    await running.where(progressed);
    const killedAt = clock.now();
    await comfy.kill();
    await until(() => clock.now() - killedAt > 90_000);
    expect(job.states.at(-1)).toMatchObject({ status: 'queued', attempt: 1 });
    letGo(comfy);
    await comfy.start();
    expect(await job.end).toMatchObject({ status: 'completed', attempt: 1 });
    expect(comfy.executions.get(job.promptId)).toBe(1);
  });

  test('a cancel between two runs settles the job, and nothing is posted', async () => {
    const comfy = await start();
    const { run, pipeline } = instance({ servers: [comfy.url] });
    const job = await run(outOfMemory(), { maxAttempts: 3 });
    await job.where(({ attempt }) => attempt === 2);
    expect(await pipeline.cancel(job.promptId)).toMatchObject({ status: 'failed', failure: { kind: 'cancelled' } });
    expect(await job.end).toMatchObject({ attempt: 2, failure: { kind: 'cancelled' } });
    // Later than the next run would have come.
    const next = await run(lasting(0.7));
    await next.end;
    expect([...comfy.executions.keys()]).toEqual([job.promptId, next.promptId]);
  });

  test('a cancel in the second run stops that run', async () => {
    const comfy = await start();
    const { run, pipeline } = instance({ servers: [comfy.url] });
    const job = await run(lasting(20), { onLost: 'resubmit' });
    await job.where(progressed);
    await comfy.restart();
    await job.where(({ attempt, status }) => attempt === 2 && status === 'processing');
    await pipeline.cancel(job.promptId);
    expect(await job.end).toMatchObject({ attempt: 2, failure: { kind: 'cancelled' } });
    expect((await get<{ queue_running: unknown[] }>(comfy, '/queue')).queue_running).toEqual([]);
  });

  test('[R13] previews of the second run are the job’s', async () => {
    const comfy = await start();
    const { run, pipeline } = instance({ servers: [comfy.url] });
    const seen = new Set<string>();
    hold(comfy);
    const job = await run(steps({ steps: 20, secondsPerStep: 0.05, previewEvery: 1 }), { onLost: 'resubmit' });
    pipeline.previews(job.promptId).subscribe(({ promptId }) => seen.add(promptId));
    await job.where(progressed);
    await comfy.restart();
    await job.where(({ attempt, status }) => attempt === 2 && status === 'processing');
    seen.clear();
    letGo(comfy);
    await job.end;
    expect([...seen]).toEqual([job.promptId]);
  });

  describe('and two instances on one Redis', () => {
    let redis: RedisServer;
    beforeAll(async () => {
      redis = await startRedis();
    });
    afterAll(() => redis.stop());
    const onRedis = (comfy: ComfyUIStandIn): Instance =>
      instance({ servers: [comfy.url], store: (report) => redisStore({ url: redis.url, report }) });

    test('a job that waits for its next run when its instance closes is run by the other, once', async () => {
      const comfy = await start();
      const [a, b] = [onRedis(comfy), onRedis(comfy)];
      hold(comfy);
      const job = await a.run(lasting(1), { onLost: 'resubmit', maxAttempts: 2 });
      await job.where(progressed);
      await comfy.restart();
      await job.where(({ attempt }) => attempt === 2);
      await a.pipeline.close();
      expect(comfy.executions.size).toBe(1);
      await takenUp(b.pipeline, job.promptId);
      letGo(comfy);
      const end = await b.watch(job.promptId).end;
      expect(end).toMatchObject({ status: 'completed', attempt: 2 });
      expect([...comfy.executions.keys()]).toEqual([job.promptId, end.runId]);
      expectOnceEach(comfy);
    });

    test('a job in its second run when its instance closes goes on under the other, and may be run a third time', async () => {
      const comfy = await start();
      const [a, b] = [onRedis(comfy), onRedis(comfy)];
      hold(comfy);
      const job = await a.run(lasting(1), { onLost: 'resubmit' });
      await job.where(progressed);
      await comfy.restart();
      const second = await job.where(({ attempt, status }) => attempt === 2 && status === 'processing');
      await a.pipeline.close();
      await takenUp(b.pipeline, job.promptId);
      const here = b.watch(job.promptId);
      expect(await here.where(({ status }) => status === 'processing')).toMatchObject({ runId: second.runId });
      await comfy.restart();
      letGo(comfy);
      const end = await here.end;
      expect(end).toMatchObject({ status: 'completed', attempt: 3 });
      expect([...comfy.executions.keys()]).toEqual([job.promptId, second.runId, end.runId]);
      expectOnceEach(comfy);
    });

    test('its workflow is forgotten by nobody, whatever id an old server gave its run', async () => {
      const comfy = await start({ version: '0.3.30' });
      const store = redisStore({ url: redis.url, report: () => 'as wanted' });
      const { run, pipeline } = onRedis(comfy);
      const workflow = lasting(1);
      hold(comfy);
      const job = await run(workflow, { onLost: 'resubmit' });
      expect([...comfy.executions.keys()]).toEqual([(await pipeline.get(job.promptId))?.runId]);
      await until(async () => (await lastValueFrom(store.workflow(job.promptId)))?.tag === 'whole');
      expect(await lastValueFrom(store.workflow(job.promptId))).toEqual({
        tag: 'whole',
        prompt: { workflow: JSON.stringify(workflow) },
      });
      letGo(comfy);
      await job.end;
      await lastValueFrom(concat(store.close(), of(undefined)));
    });
  });
});
