import { randomUUID } from 'node:crypto';
import { EMPTY, NEVER, Subject, asyncScheduler, lastValueFrom, type Subscription } from 'rxjs';
import { findPosted } from '../../../sources/looks/find-posted';
import { lookup } from '../../../sources/looks/lookup';
import { rest, type Rest } from '../../../sources/rest/rest';
import { serverAddress } from '../../../sources/server-address';
import { webSocketSession } from '../../../sources/session';
import { defaultSubmitPolicy, submit, type Submission, type SubmitPolicy } from '../../../sources/rest/submit';
import { jittered } from '../../../streams/operators/backoff';
import { jobBoard, type BoardEvent } from '../../../streams/board/board';
import { jobOf, queuedState } from '../../../streams/job/job';
import type { JobState } from '../../../streams/job/job-state';
import { defaultTiming } from '../../../streams/job/timing';
import { graphOf } from '../../../streams/job/workflow';
import type { ComfyUIStandIn } from '../../support/comfyui/stand-in';
import type { ComfyUIVersion } from '../../support/comfyui/versions';
import { partlyRejected, rejected, steps } from '../../support/comfyui/workflows';
import { finished, start, stopAll, submit as postForAnother, until } from '../../support/comfyui/client/comfyui-client';

const versions: readonly ComfyUIVersion[] = ['0.3.30', '0.3.64', '0.33.0'];
const CLIENT = 'our client';

/** As in earnest, a hundred times as fast. */
const policy: SubmitPolicy = {
  ...defaultSubmitPolicy,
  linkMs: 50,
  postMs: 1_000,
  looksMs: 50,
  giveUpMs: 60_000,
  backoff: jittered({ firstMs: 10, maxMs: 160, steadyMs: 60_000 }, Math.random),
  clock: asyncScheduler,
};

interface Submitting {
  readonly promptId: string;
  readonly events: readonly BoardEvent[];
  readonly reports: readonly unknown[];
  readonly subscription: Subscription;
  /** Resolves with all events, rejects if it errors. */
  readonly done: Promise<readonly BoardEvent[]>;
}

const clients: Rest[] = [];
const submitting: Submitting[] = [];

afterEach(async () => {
  for (const { subscription } of submitting.splice(0)) subscription.unsubscribe();
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await stopAll();
});

interface Options {
  readonly policy?: Partial<SubmitPolicy>;
  readonly submission?: Partial<Submission>;
  /** A cancel is asked for as soon as something goes wrong. */
  readonly cancelOnTrouble?: boolean;
  readonly onEvent?: (event: BoardEvent) => void;
  readonly client?: Rest;
}

function aClient(url: string): Rest {
  const client = rest(serverAddress(url), { timeoutMs: 300, maxBytes: 64 << 20, breakAfter: 20 });
  clients.push(client);
  return client;
}

function submitTo(
  url: string,
  workflow: object,
  { onEvent, cancelOnTrouble = false, client = aClient(url), ...options }: Options = {},
): Submitting {
  const promptId = randomUUID();
  const reports: unknown[] = [];
  const submission: Submission = {
    promptId,
    clientId: CLIENT,
    prompt: { workflow: JSON.stringify(workflow) },
    linked: () => true,
    wanted: () => true,
    mayPost: () => true,
    maybePosted: false,
    changed$: EMPTY,
    cancelAsked: () => cancelOnTrouble && reports.length > 0,
    ...options.submission,
  };
  const events: BoardEvent[] = [];
  const routes = lookup(client);
  const sources = { rest: client, lookup: routes, find: findPosted(routes, asyncScheduler, 10) };
  const report = (_where: string, error: unknown) => reports.push(error);
  let subscription!: Subscription;
  const done = new Promise<readonly BoardEvent[]>((resolve, reject) => {
    subscription = submit(sources, submission, { ...policy, ...options.policy }, report).subscribe({
      next: (event) => {
        events.push(event);
        onEvent?.(event);
      },
      error: reject,
      complete: () => resolve(events),
    });
  });
  const started = { promptId: submission.promptId, events, reports, subscription, done };
  submitting.push(started);
  return started;
}

const short = () => steps({ steps: 2, secondsPerStep: 0.01 });
const long = () => steps({ steps: 200, secondsPerStep: 0.05 });

/** Resolves with how often each workflow was started, once the one under this id has ended. */
async function executionsOf(server: ComfyUIStandIn, promptId: string): Promise<readonly number[]> {
  await finished(server, promptId);
  return [...server.executions.values()];
}

const posts = ({ requests }: ComfyUIStandIn): number =>
  requests.filter(({ method, path }) => method === 'POST' && path === '/prompt').length;

/** Under which id the server has it, as the events tell. */
const idIn = (events: readonly BoardEvent[], promptId: string): string => {
  const accepted = events.find((event) => event.tag === 'accepted');
  return accepted?.tag === 'accepted' ? (accepted.runId ?? promptId) : promptId;
};

describe.each(versions)('%s', (version) => {
  const keepsId = version !== '0.3.30';
  const told = ['accepted'];
  const tags = (events: readonly BoardEvent[]) => events.map(({ tag }) => tag);

  test('posts once, with the session’s client, our id and our mark', async () => {
    const server = await start({ version });
    const workflow = short();
    const { promptId, done } = submitTo(server.url, workflow);
    const events = await done;
    expect(tags(events)).toEqual(told);
    const id = idIn(events, promptId);
    expect([id === promptId, await executionsOf(server, id)]).toEqual([keepsId, [1]]);
    expect(server.executedWorkflows).toMatchObject([
      { promptId: id, clientId: CLIENT, workflow, extraData: { jobstream_prompt_id: promptId } },
    ]);
    expect(posts(server)).toBe(1);
    const [accepted] = events.filter((event) => event.tag === 'accepted');
    expect(accepted!.postedAt).toBeLessThanOrEqual(accepted!.at);
    expect(accepted).not.toHaveProperty('nodeErrors');
  });

  test('an answer lost before the workflow was queued: posted again, after it was nowhere thrice', async () => {
    const server = await start({ version, faults: { loseAnswer: 'before', loseAnswerTimes: 2 } });
    const { promptId, done } = submitTo(server.url, short());
    const events = await done;
    expect(tags(events)).toEqual(told);
    expect(await executionsOf(server, idIn(events, promptId))).toEqual([1]);
    expect(posts(server)).toBe(3);
    const looks = server.requests.filter(({ path }) => /^\/(api\/jobs\?|queue)/.test(path) && path !== '/queue');
    expect(looks.length).toBeGreaterThanOrEqual(version === '0.33.0' ? 6 : 1);
  });

  test('an answer lost after it was queued: found while it runs, not posted again', async () => {
    const server = await start({ version });
    await postForAnother(server, short());
    Object.assign(server.faults, { loseAnswer: 'after', loseAnswerTimes: 1 });
    const { promptId, done } = submitTo(server.url, steps({ steps: 10, secondsPerStep: 0.02 }));
    const events = await done;
    expect(tags(events)).toEqual(told);
    await executionsOf(server, idIn(events, promptId));
    expect([server.executedWorkflows.length, posts(server)]).toEqual([2, 2]);
  });

  test('an answer lost after it was queued: found though it has ended already, among others', async () => {
    const server = await start({ version });
    await finished(server, await postForAnother(server, short()));
    Object.assign(server.faults, { loseAnswer: 'after', loseAnswerTimes: 1 });
    const { promptId, done } = submitTo(server.url, short(), {
      policy: { backoff: { steadyMs: 0, delayMs: () => 150 } },
    });
    await until(() => server.executions.size === 2);
    const events = await done;
    expect(tags(events)).toEqual(told);
    expect(await executionsOf(server, idIn(events, promptId))).toEqual([1, 1]);
    expect(posts(server)).toBe(2);
  });

  test('a server that does not listen yet', async () => {
    const server = await start({ version });
    await server.kill();
    const { promptId, reports, done } = submitTo(server.url, short());
    await until(() => reports.length > 0);
    expect(reports[0]).toMatchObject({ name: 'NoAnswer', maybeSent: false });
    await server.start();
    const events = await done;
    expect(tags(events)).toEqual(told);
    expect(await executionsOf(server, idIn(events, promptId))).toEqual([1]);
    expect(posts(server)).toBe(1);
  });

  test('a proxy’s 502 page for a while', async () => {
    const server = await start({ version, faults: { status: { httpStatus: 502, body: '<html>Bad Gateway</html>' } } });
    const { promptId, reports, done } = submitTo(server.url, short());
    await until(() => server.requests.length >= 4);
    server.faults.status = undefined;
    const events = await done;
    expect(tags(events)).toEqual(told);
    expect(await executionsOf(server, idIn(events, promptId))).toEqual([1]);
    expect(reports.length).toBeGreaterThan(0);
  });

  test('a busy server is waited for', async () => {
    const server = await start({ version });
    server.faults.busy(0.3);
    const { promptId, done } = submitTo(server.url, short());
    const events = await done;
    expect(await executionsOf(server, idIn(events, promptId))).toEqual([1]);
    expect(posts(server)).toBe(1);
  });

  test('a server that is busy for longer than we wait takes it all the same, once', async () => {
    const server = await start({ version });
    server.faults.busy(0.4);
    const { promptId, reports, done } = submitTo(server.url, short(), { policy: { postMs: 100 } });
    const events = await done;
    expect(tags(events)).toEqual(told);
    expect(await executionsOf(server, idIn(events, promptId))).toEqual([1]);
    expect(posts(server)).toBe(1);
    expect(reports.length).toBeLessThanOrEqual(1);
  });

  test('a workflow that does not pass is refused, node by node, and nothing runs', async () => {
    const server = await start({ version });
    const { promptId, done } = submitTo(server.url, rejected());
    const [refused, ...others] = await done;
    expect(others).toEqual([]);
    expect(refused).toMatchObject({ tag: 'refused', promptId, failure: { kind: 'rejected', retryable: false } });
    const errors = refused?.tag === 'refused' ? (refused.nodeErrors ?? []) : [];
    expect(errors).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ nodeId: '1', nodeType: 'EmptyImage', input: 'height' }),
        expect.objectContaining({ nodeId: '5' }),
      ]),
    );
    expect([posts(server), server.executions.size]).toEqual([1, 0]);
  });

  test('an unknown node is named', async () => {
    const server = await start({ version });
    const { done } = submitTo(server.url, {
      ...short(),
      '3': { class_type: 'NoSuchNode', inputs: { image: ['2', 0] } },
    });
    expect(await done).toMatchObject([
      { tag: 'refused', failure: { kind: 'rejected', nodeId: '3', nodeType: 'NoSuchNode' } },
    ]);
  });

  test('one that passes in part is accepted, with what is wrong', async () => {
    const server = await start({ version, timeScale: 0.1 });
    const { promptId, done } = submitTo(server.url, partlyRejected());
    const events = await done;
    expect(tags(events)).toEqual(told);
    expect(events.at(-1)).toMatchObject({ tag: 'accepted', nodeErrors: [{ nodeId: '5', nodeType: 'PreviewImage' }] });
    expect(await executionsOf(server, idIn(events, promptId))).toEqual([1]);
  });

  test('frames that came before the answer are not lost: a job that ended before it had its id', async () => {
    const server = await start({ version, faults: { loseAnswer: 'after', loseAnswerTimes: 1 } });
    const board = jobBoard(defaultTiming);
    const states: JobState[] = [];
    const take = (event: BoardEvent): void => {
      for (const change of board.take(event)) if (change.tag === 'state') states.push(change.state);
    };
    const address = serverAddress(server.url);
    const session = webSocketSession({ address, clientId: CLIENT, clock: asyncScheduler, report: () => undefined });
    const socket = session.connect(NEVER, NEVER).subscribe(take);
    await until(() => board.session(CLIENT)?.open === true);
    const workflow = short();
    const { promptId, done } = submitTo(server.url, workflow, {
      onEvent: take,
      policy: { backoff: { steadyMs: 0, delayMs: () => 150 } },
    });
    const state = queuedState({ promptId, type: 'image_generation', userId: 'ada', serverUrl: server.url, at: 0 });
    take({ tag: 'opened', job: jobOf({ ...state, clientId: CLIENT }, { graph: graphOf(workflow) }) });
    await done;
    await until(() => states.at(-1)?.status === 'completed');
    socket.unsubscribe();
    expect(states.at(-1)).toMatchObject({
      promptId,
      progress: 100,
      outputs: [{ nodeId: '4', kind: 'images' }],
    });
    expect([board.jobs.size, [...server.executions.values()]]).toEqual([0, [1]]);
  });
});

describe('cancelled meanwhile', () => {
  const cancelled = [{ tag: 'refused', failure: { kind: 'cancelled' } }];

  test('before it was posted: it never is', async () => {
    const server = await start();
    const { done } = submitTo(server.url, short(), { submission: { cancelAsked: () => true } });
    expect(await done).toMatchObject(cancelled);
    expect(server.requests).toEqual([]);
  });

  test('between two tries: it is not posted again', async () => {
    const server = await start({ faults: { loseAnswer: 'before', loseAnswerTimes: 1 } });
    const { done } = submitTo(server.url, short(), { cancelOnTrouble: true });
    expect(await done).toMatchObject(cancelled);
    expect([posts(server), server.executions.size]).toEqual([1, 0]);
  });

  test('while its server is away and cannot have got it: at once', async () => {
    const server = await start();
    await server.kill();
    const { done } = submitTo(server.url, short(), { cancelOnTrouble: true });
    expect(await done).toMatchObject(cancelled);
  });

  test('while its answer is lost: the server has it, so the job is there to be cancelled', async () => {
    const server = await start({ faults: { loseAnswer: 'after', loseAnswerTimes: 1 } });
    const { done } = submitTo(server.url, long(), { cancelOnTrouble: true });
    expect(await done).toMatchObject([{ tag: 'accepted' }]);
    expect(posts(server)).toBe(1);
  });
});

describe('gives up', () => {
  test.each([
    ['does not listen', async (server: ComfyUIStandIn) => server.kill()],
    [
      'answers with pages of HTML',
      (server: ComfyUIStandIn) => (server.faults.status = { httpStatus: 502, body: '<html>' }),
    ],
    ['never answers', (server: ComfyUIStandIn) => (server.faults.hangRoutes = ['/'])],
  ])('on a server that %s', async (_what, spoil: (server: ComfyUIStandIn) => unknown) => {
    const server = await start();
    await spoil(server);
    const { promptId, done } = submitTo(server.url, short(), { policy: { giveUpMs: 400, postMs: 100 } });
    expect(await done).toMatchObject([{ tag: 'refused', promptId, failure: { kind: 'unreachable', retryable: true } }]);
  });
});

describe('the socket', () => {
  test('is waited for, since frames before it would be missed', async () => {
    const server = await start();
    let linked = false;
    const changed$ = new Subject<void>();
    const { done } = submitTo(server.url, short(), {
      submission: { linked: () => linked, changed$ },
      policy: { linkMs: 60_000 },
    });
    changed$.next();
    expect(changed$.observed).toBe(true);
    expect(server.requests).toEqual([]);
    linked = true;
    changed$.next();
    expect(await done).toMatchObject([{ tag: 'accepted' }]);
  });

  test('but not for ever', async () => {
    const server = await start();
    const { done } = submitTo(server.url, short(), { submission: { linked: () => false, changed$: NEVER } });
    expect(await done).toMatchObject([{ tag: 'accepted' }]);
  });
});

describe('where another instance may be at it', () => {
  test('[R11] it is posted once that is known not to be so', async () => {
    const server = await start({ version: '0.33.0' });
    let [mine, asked] = [false, 0];
    const changed$ = new Subject<void>();
    const mayPost = (): boolean => (asked += 1) > 0 && mine;
    const { promptId, done } = submitTo(server.url, short(), { submission: { mayPost, changed$ } });
    changed$.next();
    expect(asked).toBe(2);
    expect(posts(server)).toBe(0);
    mine = true;
    changed$.next();
    expect((await done).map(({ tag }) => tag)).toEqual(['accepted']);
    expect(await executionsOf(server, promptId)).toEqual([1]);
  });

  test('[R11] it is not posted where it turned out so', async () => {
    const server = await start({ version: '0.33.0' });
    let wanted = true;
    const changed$ = new Subject<void>();
    const { done } = submitTo(server.url, short(), {
      submission: { mayPost: () => false, wanted: () => wanted, changed$ },
    });
    changed$.next();
    wanted = false;
    changed$.next();
    expect(await done).toEqual([]);
    expect(posts(server)).toBe(0);
  });

  test('a cancel does not wait for it', async () => {
    const server = await start({ version: '0.33.0' });
    const { done } = submitTo(server.url, short(), {
      submission: { mayPost: () => false, cancelAsked: () => true },
    });
    expect(await done).toMatchObject([{ tag: 'refused', failure: { kind: 'cancelled' } }]);
    expect(posts(server)).toBe(0);
  });
});

describe('that may have been posted before', () => {
  test.each(['0.3.30', '0.33.0'] as const)('[R10] is found on %s and not posted again', async (version) => {
    const server = await start({ version });
    const promptId = randomUUID();
    const workflow = short();
    await postForAnother(server, workflow, { prompt_id: promptId, extra_data: { jobstream_prompt_id: promptId } });
    const events = await submitTo(server.url, workflow, { submission: { promptId, maybePosted: true } }).done;
    expect(events.at(-1)).toMatchObject({ tag: 'accepted' });
    expect([...server.executions.values()]).toEqual([1]);
    expect(posts(server)).toBe(1);
  });

  test('[R10] is posted after it was nowhere thrice', async () => {
    const server = await start({ version: '0.33.0' });
    const { promptId, done } = submitTo(server.url, short(), { submission: { maybePosted: true } });
    expect((await done).map(({ tag }) => tag)).toEqual(['accepted']);
    const looks = server.requests.filter(({ path }) => /^\/(api\/jobs\?|queue)/.test(path) && path !== '/queue');
    expect(looks).toHaveLength(3);
    expect(await executionsOf(server, promptId)).toEqual([1]);
  });
});

test('unsubscribing ends it, wherever it is', async () => {
  const server = await start({ faults: { loseAnswer: 'before', loseAnswerTimes: 1 } });
  const { subscription, reports, events } = submitTo(server.url, short());
  await until(() => reports.length === 1);
  subscription.unsubscribe();
  const other = submitTo(server.url, short());
  await other.done;
  await finished(server, other.promptId);
  expect([events, server.executions.size, posts(server)]).toEqual([[], 1, 2]);
});

describe('a proxy’s page instead of ComfyUI’s answer', () => {
  test.each([
    [413, 'rejected', false],
    [401, 'unreachable', false],
    [403, 'unreachable', false],
    [301, 'rejected', false],
    [302, 'rejected', false],
  ])('[R10] with status %i is told at once, after one post', async (httpStatus, kind, retryable) => {
    const server = await start({ faults: { status: { httpStatus, body: '<html><title>No</title></html>' } } });
    const { done, promptId } = submitTo(server.url, short());
    expect(await done).toMatchObject([{ tag: 'refused', promptId, failure: { kind, retryable } }]);
    expect(posts(server)).toBe(1);
  });

  test.each([
    [404, 'text/html', '<html><title>404</title></html>'],
    [404, 'text/plain', '404 page not found'],
    [404, 'application/json', '{"message":"no Route matched with those values"}'],
    [404, 'application/json', ''],
    [405, 'text/html', '<html>405</html>'],
    [408, 'text/plain', 'Request Timeout'],
    [410, 'text/html', '<html>410</html>'],
    [425, 'text/html', '<html>425</html>'],
  ])('[R4, R10] with status %i as %s passes: %s', async (httpStatus, contentType, body) => {
    const server = await start({ version: '0.33.0', faults: { status: { httpStatus, body, contentType } } });
    const { done, promptId, reports } = submitTo(server.url, short());
    await until(() => reports.length === 1 && server.requests.length >= 3);
    server.faults.status = undefined;
    expect(await done).toMatchObject([{ tag: 'accepted', promptId }]);
    expect(await executionsOf(server, promptId)).toEqual([1]);
  });

  test('[R10] that stays is told when it is given up', async () => {
    const server = await start({ faults: { status: { httpStatus: 404, body: '<html>404</html>' } } });
    const { done } = submitTo(server.url, short(), { policy: { giveUpMs: 300 } });
    const message = expect.stringContaining('nothing is at the server’s address') as string;
    expect(await done).toMatchObject([{ tag: 'refused', failure: { kind: 'unreachable', retryable: true, message } }]);
  });

  test.each([404, 405, 409])(
    '[R4] a %i in JSON is no refusal of ComfyUI’s: posted once it is over',
    async (httpStatus) => {
      const server = await start();
      server.faults.status = { httpStatus, body: '{"error":"no such upstream"}', contentType: 'application/json' };
      const { done } = submitTo(server.url, short());
      await until(() => posts(server) > 0);
      server.faults.status = undefined;
      expect(await done).toMatchObject([{ tag: 'accepted' }]);
    },
  );

  test('of a run that frames have told of meanwhile refuses nothing', async () => {
    const server = await start({ faults: { status: { httpStatus: 400, body: '<html>Bad Request</html>' } } });
    let isHeard = false;
    const { done } = submitTo(server.url, steps(), {
      submission: { wanted: () => !isHeard, onTrouble: () => (isHeard = true) },
    });
    expect(await done).toEqual([]);
  });

  test('[R10] a 403 in JSON is final', async () => {
    const status = { httpStatus: 403, body: '{"error":"no"}', contentType: 'application/json' };
    const server = await start({ faults: { status } });
    const { done } = submitTo(server.url, short());
    expect(await done).toMatchObject([{ tag: 'refused', failure: { retryable: false } }]);
    expect(posts(server)).toBe(1);
  });

  test('to five large bodies keeps nobody else from the server', async () => {
    const server = await start();
    const client = rest(serverAddress(server.url), { timeoutMs: 300, maxBytes: 64 << 20, breakAfter: 2 });
    clients.push(client);
    server.faults.status = { httpStatus: 413, body: '<html>413</html>' };
    for (let n = 0; n < 5; n++)
      await expect(lastValueFrom(client.post('/prompt', '{}'))).rejects.toMatchObject({ status: 413 });
    server.faults.status = undefined;
    expect(await lastValueFrom(client.get('/prompt'))).toMatchObject({ status: 200 });
  });
});

test('a run whose answer was lost is found by its own page where the queue is too large to be read', async () => {
  const server = await start({ version: '0.3.64' });
  const before = submitTo(server.url, short());
  await before.done;
  await finished(server, before.promptId);
  server.faults.giantQueue = 10;
  const client = rest(serverAddress(server.url), { timeoutMs: 10_000, maxBytes: 100_000, breakAfter: 20 });
  clients.push(client);
  const { promptId } = before;
  const { done } = submitTo(server.url, short(), { client, submission: { promptId, maybePosted: true } });
  expect(await done).toMatchObject([{ tag: 'accepted', promptId }]);
  expect(posts(server)).toBe(1);
});

test('[R18] integers reach ComfyUI with all their digits', async () => {
  const server = await start();
  const seeds = ['9007199254740993', '12345678901234567891', '18446744073709551615'];
  for (const seed of seeds) {
    const workflow = JSON.stringify(short()).replace(/"seed":\d+/, `"seed":${seed}`);
    const { done, promptId } = submitTo(server.url, {}, { submission: { prompt: { workflow } } });
    expect(await done).toMatchObject([{ tag: 'accepted', promptId }]);
    await finished(server, promptId);
  }
  const posted = server.requests.flatMap(({ body = '' }) => /"seed":(\d+)/.exec(body)?.[1] ?? []);
  expect(posted).toEqual(seeds);
  const ran = server.executedWorkflows.map(({ workflow }) => String(workflow['2']?.inputs['seed']));
  expect(ran).toEqual(seeds);
  const tooLarge = JSON.stringify(short()).replace(/"seed":\d+/, '"seed":18446744073709551616');
  const refused = await submitTo(server.url, {}, { submission: { prompt: { workflow: tooLarge } } }).done;
  expect(refused).toMatchObject([
    {
      tag: 'refused',
      failure: { message: expect.stringContaining('bigger than max of 18446744073709551615') as string },
    },
  ]);
});
