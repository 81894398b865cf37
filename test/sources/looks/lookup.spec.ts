import { asyncScheduler, filter, lastValueFrom, map, of, throwError, toArray, type Observable } from 'rxjs';
import { lookUp } from '../../../sources/looks/look-up';
import { lookup, type Lookup } from '../../../sources/looks/lookup';
import { NoAnswer, Unreadable, rest, type Answer, type Rest } from '../../../sources/rest/rest';
import { serverAddress } from '../../../sources/server-address';
import { jobOf, queuedState, watched, type Job, type RunFacts } from '../../../streams/job/job';
import type { BoardEvent } from '../../../streams/board/board';
import { graphOf } from '../../../streams/job/workflow';
import type { ComfyUIStandIn, StandInOptions } from '../../support/comfyui/stand-in';
import type { ComfyUIVersion } from '../../support/comfyui/versions';
import { nodeError, outOfMemory, steps, twoOutputs } from '../../support/comfyui/workflows';
import { finished, post, start, stopAll, submit, until } from '../../support/comfyui/client/comfyui-client';

const versions: readonly ComfyUIVersion[] = ['0.3.30', '0.3.64', '0.33.0'];
const NEW = '/api/jobs?status=in_progress,pending';

interface Asked {
  readonly server: ComfyUIStandIn;
  readonly client: Rest;
  readonly routes: Lookup;
  /** Paths asked for since the last call. */
  readonly paths: () => readonly string[];
}

const running: Asked[] = [];

afterEach(async () => {
  const asked = running.splice(0);
  // The whole history of a server has crashed clients: nothing may ever ask for it.
  for (const { server } of asked)
    for (const { method, path } of server.requests)
      expect(`${method} ${path}`).not.toMatch(/^GET (\/api)?\/history(\?(?!max_items=)|$)/);
  await Promise.all(asked.map(({ client }) => client.close()));
  await stopAll();
});

async function asking(version: ComfyUIVersion, options: Partial<StandInOptions> = {}): Promise<Asked> {
  const server = await start({ version, ...options });
  const client = rest(serverAddress(server.url));
  let seen = 0;
  const asked: Asked = {
    server,
    client,
    routes: lookup(client),
    paths: () => {
      const paths = server.requests.slice(seen).map(({ path }) => path);
      seen = server.requests.length;
      return paths;
    },
  };
  running.push(asked);
  return asked;
}

/** A job that ComfyUI took, its workflow known. */
const taken = (promptId: string, facts: Partial<RunFacts> = {}): Job => {
  const state = queuedState({ promptId, type: 'image_generation', userId: 'ada', serverUrl: 'http://comfy', at: 0 });
  return { ...jobOf(state, { graph: graphOf(steps()) }), stage: { ...watched(0), ...facts } };
};

/** What looks tell of jobs, without the queue as a whole. */
const looking = (routes: Lookup) => {
  const looked = lookUp(routes, asyncScheduler);
  return (jobs: readonly Job[]): Observable<BoardEvent> => looked(jobs).pipe(filter(({ tag }) => tag !== 'queueSeen'));
};

const look = (routes: Lookup, jobs: readonly Job[]): Promise<readonly BoardEvent[]> =>
  lastValueFrom(looking(routes)(jobs).pipe(toArray()));

const answer = <T>(value$: Observable<T>): Promise<T> => lastValueFrom(value$);

const long = () => steps({ steps: 500 });
const short = () => steps({ steps: 1, secondsPerStep: 0.01 });

/** One job that runs and two that wait. */
async function three(server: ComfyUIStandIn): Promise<readonly [string, string, string]> {
  const ids = [await submit(server, long()), await submit(server, long()), await submit(server, long())] as const;
  await until(() => server.executions.has(ids[0]));
  return ids;
}

describe.each(versions)('%s', (version) => {
  const isNew = version === '0.33.0';

  test('which routes there are, the first answer tells once and for all', async () => {
    const { routes, paths } = await asking(version);
    expect(await answer(routes.queue())).toEqual([]);
    expect(paths()).toEqual(isNew ? [NEW] : [NEW, '/queue']);
    expect(await answer(routes.one('x'))).toEqual({ tag: 'absent' });
    await answer(routes.queue());
    expect(paths()).toEqual(isNew ? ['/api/jobs/x', '/prompt', NEW] : ['/history/x', '/queue']);
  });

  test('the same where the first question is about one job', async () => {
    const { routes, paths } = await asking(version);
    expect(await answer(routes.one('a/b?c'))).toEqual({ tag: 'absent' });
    const own = '/api/jobs/a%2Fb%3Fc';
    expect(paths()).toEqual(isNew ? [own, '/prompt'] : [own, '/history/a%2Fb%3Fc']);
  });

  test('[R8] one request for any number of jobs that are in hand', async () => {
    const { server, routes, paths } = await asking(version);
    const [first, second, third] = await three(server);
    await answer(routes.queue());
    paths();
    const events = await look(
      routes,
      [third, first, second].map((id) => taken(id)),
    );
    expect(paths()).toEqual([isNew ? NEW : '/queue']);
    expect(events).toMatchObject([
      { promptId: third, tag: 'found', where: 'pending', ahead: 2 },
      { promptId: first, tag: 'found', where: 'running', ahead: 0 },
      { promptId: second, tag: 'found', where: 'pending', ahead: 1 },
    ]);
  });

  test('[R8] one request more for each job that is not', async () => {
    const { server, routes, paths } = await asking(version);
    const ended = await submit(server, short());
    await finished(server, ended);
    const [first, second] = await three(server);
    await answer(routes.queue());
    paths();
    const askedAfter = Date.now();
    const events = await look(routes, [taken(ended), taken(first), taken(second), taken('nowhere')]);
    const { askedAt = 0, at } = events.find(({ tag }) => tag === 'absent') as BoardEvent & { tag: 'absent' };
    expect([askedAfter <= askedAt, askedAt <= at]).toEqual([true, true]);
    const detail = isNew ? '/api/jobs' : '/history';
    // One that was never heard of may go by an id of an old server's own.
    // A 404 with an error may be a proxy's.
    const confirmed = isNew ? '/prompt' : '/history?max_items=32';
    expect(paths()).toEqual([isNew ? NEW : '/queue', `${detail}/${ended}`, `${detail}/nowhere`, confirmed]);
    expect(events).toMatchObject([
      { promptId: first, tag: 'found' },
      { promptId: second, tag: 'found' },
      { promptId: ended, tag: 'ended', outcome: [{ nodeId: '4', kind: 'images', type: 'output' }] },
      { promptId: 'nowhere', tag: 'absent' },
    ]);
  });

  test('[R8] a first run is looked for under another id where the server has told none, a later one all the same', async () => {
    const { routes, paths } = await asking(version);
    const marks = isNew ? '/prompt' : '/history?max_items=32';
    const run = (runId: string, attempt: number): Job => {
      const job = taken('ours');
      return { ...job, state: { ...job.state, runId, attempt } };
    };
    await answer(routes.queue());
    paths();
    expect(await look(routes, [run('told', 1)])).toMatchObject([{ promptId: 'told', tag: 'absent' }]);
    expect(paths().slice(2)).toEqual(isNew ? [marks] : []);
    expect(await look(routes, [run('posted', 2)])).toMatchObject([{ promptId: 'posted', tag: 'absent' }]);
    expect(paths().slice(2)).toEqual([marks]);
  });

  test('a job whose workflow is unknown is asked for it, once, if the queue does not tell', async () => {
    const { server, routes, paths } = await asking(version);
    const [first] = await three(server);
    await answer(routes.queue());
    paths();
    const events = await look(routes, [{ ...taken(first), graph: new Map() }]);
    expect(paths()).toEqual(isNew ? [NEW, `/api/jobs/${first}`] : ['/queue']);
    const found = events.at(-1) as BoardEvent & { tag: 'found' };
    expect([...(found.graph?.keys() ?? [])]).toEqual(['1', '2', '3', '4']);
    expect(found).toMatchObject({ where: 'running', ...(!isNew && { targets: ['4'] }) });
  });

  test('a job whose success was heard is asked for alone, not in the queue', async () => {
    const { server, routes, paths } = await asking(version, { timeScale: 0.1 });
    const ended = await submit(server, twoOutputs());
    await finished(server, ended);
    await answer(routes.queue());
    paths();
    const events = await look(routes, [{ ...taken(ended), stage: { ...watched(0), tag: 'fetchingOutputs' } }]);
    expect(paths()).toEqual([isNew ? `/api/jobs/${ended}` : `/history/${ended}`]);
    expect(events).toMatchObject([{ tag: 'ended', outcome: [{ nodeId: '4' }, { nodeId: '6' }] }]);
  });

  test('ends: a node’s error, want of memory, an interrupt', async () => {
    const { server, routes } = await asking(version);
    const [broken, starved] = [await submit(server, nodeError()), await submit(server, outOfMemory())];
    const stopped = await submit(server, long());
    await until(() => server.executions.has(stopped));
    await post(server, '/interrupt', { prompt_id: stopped });
    await finished(server, stopped);
    expect(await look(routes, [taken(broken)])).toMatchObject([
      { outcome: { kind: 'node_error', nodeId: '2', nodeType: 'TestSyncError', retryable: false } },
    ]);
    expect(await look(routes, [taken(starved)])).toMatchObject([
      { outcome: { kind: 'out_of_memory', nodeId: '2', nodeType: 'OutOfMemory', retryable: true } },
    ]);
    expect(await look(routes, [taken(stopped)])).toMatchObject([{ outcome: { kind: 'interrupted', nodeId: '2' } }]);
  });

  test('[R4] a job that succeeded and is not in the history yet is still there', async () => {
    const { server, routes } = await asking(version, { faults: { historyDelayMs: 60_000 } });
    const id = await submit(server, short());
    await until(() => server.executions.has(id));
    expect(await look(routes, [taken(id)])).toMatchObject([{ tag: 'found', where: 'running' }]);
  });

  test('a giant queue of other people’s is no trouble', async () => {
    const { server, routes, paths } = await asking(version, { faults: { giantQueue: 100 } });
    const [, second] = await three(server);
    await answer(routes.queue());
    paths();
    expect(await look(routes, [taken(second)])).toMatchObject([{ tag: 'found', where: 'pending', ahead: 1 }]);
    expect(paths()).toHaveLength(1);
  });

  test.each([502, 404, 200])(
    '[R4] an HTML page with %i is no answer, and tells nothing of the routes',
    async (httpStatus) => {
      const { server, routes, paths } = await asking(version, { faults: { status: { httpStatus, body: '<html>' } } });
      await expect(answer(routes.queue())).rejects.toThrow(NoAnswer);
      await expect(look(routes, [taken('a')])).rejects.toThrow(NoAnswer);
      await expect(answer(routes.one('a'))).rejects.toThrow(NoAnswer);
      server.faults.status = undefined;
      paths();
      expect(await answer(routes.queue())).toEqual([]);
      expect(paths()[0]).toBe(NEW);
    },
  );

  test('[R4, R15] a job whose own page is broken is told nothing of, and keeps no other waiting', async () => {
    const { server, client } = await asking(version);
    const ended = [await submit(server, short()), await submit(server, short())];
    for (const each of ended) await finished(server, each);
    const broken = await submit(server, short());
    await finished(server, broken);
    const page = `${isNew ? '/api/jobs' : '/history'}/${broken}`;
    server.faults.status = {
      httpStatus: 500,
      body: 'Internal Server Error',
      contentType: 'text/plain',
      routes: [page],
    };
    const jobs = [broken, ...ended].map((id) => taken(id));
    const looked = looking(lookup(client));
    for (let n = 0; n < 7; n++) {
      const events = await lastValueFrom(looked(jobs).pipe(toArray()));
      expect(events).toHaveLength(3);
      expect(events).toContainEqual(expect.objectContaining({ promptId: broken, tag: 'unanswered' }));
      for (const id of ended) expect(events).toContainEqual(expect.objectContaining({ promptId: id, tag: 'ended' }));
    }
  });

  test('[R4] where nothing answers at all, nothing is said of any job, and the look is in error', async () => {
    const { server, routes } = await asking(version);
    await answer(routes.queue());
    server.faults.status = {
      httpStatus: 503,
      body: '',
      routes: [isNew ? '/api/jobs/' : '/history/', '/prompt'],
    };
    const told: BoardEvent[] = [];
    const failed = await new Promise((resolve) =>
      looking(routes)([taken('a'), taken('b')]).subscribe({
        next: (event) => told.push(event),
        error: resolve,
        complete: () => resolve('completed'),
      }),
    );
    expect([told, failed]).toEqual([[], expect.any(NoAnswer)]);
  });
});

describe.each(versions)('the queue as a whole, on %s', (version) => {
  test('is told in its order, strangers included', async () => {
    const { server, routes } = await asking(version);
    const ids = await three(server);
    const [seen] = await lastValueFrom(
      lookUp(
        routes,
        asyncScheduler,
      )([taken(ids[2])]).pipe(
        map((event) => (event.tag === 'queueSeen' ? event : undefined)),
        toArray(),
      ),
    );
    expect(seen).toMatchObject({ serverUrl: 'http://comfy', entries: ids.map((runId) => ({ runId })) });
    // Where the list brings workflows, each entry gives its own.
    const sizes = seen?.entries.map(({ nodes, graph }) => [nodes(), graph()?.size ?? 0]);
    expect(sizes).toEqual(ids.map(() => (version === '0.33.0' ? [0, 0] : [4, 4])));
  });
});

describe.each(versions)('many jobs that are not in the queue, on %s', (version) => {
  const HISTORY =
    version === '0.33.0' ? '/api/jobs?status=completed,failed,cancelled&limit=32' : '/history?max_items=32';
  const ids = ['a', 'b', 'c', 'd', 'e'];
  const tagsOf = async (routes: Lookup, facts: Partial<RunFacts> = {}): Promise<readonly string[]> => {
    const events = await look(
      routes,
      ids.map((id) => taken(id, facts)),
    );
    return events.map(({ tag }) => tag);
  };

  test('cost one request where the server remembers none of them', async () => {
    const { routes, paths } = await asking(version);
    await answer(routes.queue());
    paths();
    expect(await tagsOf(routes)).toEqual(ids.map(() => 'absent'));
    expect(paths()).toEqual([expect.stringMatching(/in_progress|queue/), HISTORY]);
  });

  test('are asked for one by one where it remembers them', async () => {
    const { server, routes, paths } = await asking(version);
    const done = await submit(server, short());
    await finished(server, done);
    await answer(routes.queue());
    paths();
    const events = await look(
      routes,
      [...ids, done].map((id) => taken(id)),
    );
    expect(events.filter(({ tag }) => tag === 'absent')).toHaveLength(ids.length);
    expect(events).toContainEqual(expect.objectContaining({ tag: 'ended', promptId: done }));
    expect(paths()).toHaveLength(3);
  });

  test('are asked for one by one where it remembers more than it tells', async () => {
    const { server, routes, paths } = await asking(version);
    const done = [];
    for (let n = 0; n < 34; n += 1) done.push(await submit(server, short()));
    for (const each of done) await finished(server, each);
    await answer(routes.queue());
    paths();
    expect(await tagsOf(routes)).toEqual(ids.map(() => 'absent'));
    expect(paths().length).toBeGreaterThan(ids.length);
  });

  test('are asked for one by one where the list is no answer', async () => {
    const { server, routes } = await asking(version);
    await answer(routes.queue());
    const client = rest(serverAddress(server.url));
    const get = (path: string) => (path === HISTORY ? of({ status: 403, json: 'no' }) : client.get(path));
    const gone = lookup({ ...client, get });
    expect(await tagsOf(gone, { heardAt: 1, absences: { count: 1, since: 0 } })).toEqual(ids.map(() => 'absent'));
  });
});

test('a mistake of ours in reading the list is no want of an answer', async () => {
  const mistake = new TypeError('a mistake');
  const routes = lookup({ get: () => of({ status: 200, json: {} }), disown: () => undefined });
  const jobs = ['a', 'b', 'c'].map((promptId) => taken(promptId, { heardAt: 1 }));
  const broken: Lookup = { ...routes, queue: () => of([]), ends: () => throwError(() => mistake) };
  await expect(lastValueFrom(lookUp(broken, asyncScheduler)(jobs))).rejects.toBe(mistake);
});

describe('[R4] what is not ComfyUI’s is no answer', () => {
  const answering = (...answers: readonly Answer[]): Lookup => {
    const waiting = [...answers];
    return lookup({ get: () => of(waiting.shift() ?? { status: 200, json: {} }), disown: () => undefined });
  };
  const gone = { status: 404, json: undefined };

  test.each<[string, ...Answer[]]>([
    ['an error as JSON', { status: 404, json: { detail: 'Not Found' } }],
    ['a login page’s JSON', { status: 401, json: { error: 'who are you?' } }],
    ['an empty answer', { status: 200, json: undefined }],
    ['jobs that are none', { status: 200, json: { jobs: [{ id: 7 }] } }],
    ['a queue of something else', gone, { status: 200, json: { queue_running: [], queue_pending: [{}] } }],
    ['half a queue', gone, { status: 200, json: { queue_running: [] } }],
    ['no queue', gone, { status: 404, json: undefined }],
  ])('as a queue: %s', async (_what, ...answers) => {
    await expect(answer(answering(...answers).queue())).rejects.toThrow(NoAnswer);
  });

  test.each<[string, ...Answer[]]>([
    ['a login page’s JSON', { status: 401, json: { error: 'who are you?' } }],
    ['a job without status', { status: 200, json: { id: 'a' } }],
    ['a history of something else', gone, { status: 200, json: { a: 'done' } }],
    ['a list', gone, { status: 200, json: [] }],
    ['nothing', gone, { status: 200, json: undefined }],
    ['an error', gone, { status: 403, json: { error: 'no' } }],
  ])('as one job: %s', async (_what, ...answers) => {
    await expect(answer(answering(...answers).one('a'))).rejects.toThrow(NoAnswer);
  });

  test('a 404 for one job that does not say so in ComfyUI’s words', async () => {
    await expect(answer(answering({ status: 404, json: { detail: 'Not Found' } }).one('a'))).rejects.toThrow(NoAnswer);
  });
});

describe('answers that cannot be read', () => {
  const small = { timeoutMs: 2_000, maxBytes: 65_536, breakAfter: 5 };

  test.each(['0.3.30', '0.3.64'] as const)('a queue too large does not keep an end of %s waiting', async (version) => {
    const { server } = await asking(version, { faults: { giantQueue: 50 } });
    const client = rest(serverAddress(server.url), small);
    const routes = lookup(client);
    const ended = await submit(server, short());
    await finished(server, ended);
    const waiting = await submit(server, long());
    const looked = looking(routes);
    for (let n = 0; n < 7; n++) {
      const events = await lastValueFrom(looked([taken(ended), taken(waiting)]).pipe(toArray()));
      const tags = new Map(events.map((event) => ['promptId' in event && event.promptId, event.tag]));
      expect(Object.fromEntries(tags)).toEqual({ [ended]: 'ended', [waiting]: 'unended' });
    }
    // It was asked for once, and the server counts as one that answers.
    expect(server.requests.filter(({ path }) => path === '/queue')).toHaveLength(1);
    expect(client.answeredAt()).toBeGreaterThan(0);
    await client.close();
  });

  test('[R8] a 404 of a proxy makes no old server of one: the cheapest endpoint is asked again', async () => {
    const asked: string[] = [];
    let isAway = true;
    const list = { jobs: [], pagination: { offset: 0, limit: null, total: 0, has_more: false } };
    const get = (path: string): Observable<Answer> => {
      asked.push(path);
      return of(isAway ? { status: 404, json: undefined } : { status: 200, json: list });
    };
    const routes = lookup({ get, disown: () => undefined });
    await expect(answer(routes.queue())).rejects.toBeInstanceOf(NoAnswer);
    isAway = false;
    expect(await answer(routes.queue())).toEqual([]);
    expect(asked).toEqual([NEW, '/queue', NEW]);
  });

  test('a history too large for marks is read in part, and not at all where ids stay', async () => {
    const asked: string[] = [];
    const entry = { prompt: [0, 'theirs', {}, { comfyui_jobstream: 'ours' }, []], outputs: {}, status: {} };
    const get = (path: string): Observable<Answer> => {
      asked.push(path);
      if (path.startsWith('/api/jobs')) return of({ status: 404, json: undefined });
      if (path === '/queue') return of({ status: 200, json: { queue_running: [], queue_pending: [] } });
      const items = Number(/max_items=(\d+)/.exec(path)?.[1]);
      return items > 8
        ? throwError(() => new Unreadable('too large', true))
        : of({ status: 200, json: { theirs: entry } });
    };
    const routes = lookup({ get, disown: () => undefined });
    await answer(routes.queue());
    expect(await answer(routes.renamed('another'))).toBeUndefined();
    expect(asked.splice(0, 2)).toEqual([NEW, '/queue']);
    expect(asked.splice(0)).toEqual(['/history?max_items=32', '/history?max_items=16', '/history?max_items=8']);
    await answer(routes.renamed('another'));
    expect(asked.splice(0)).toEqual(['/history?max_items=8']);
    routes.knowsWhetherIdsStay(true);
    expect(await answer(routes.renamed('another'))).toBeUndefined();
    expect(asked).toEqual([]);
  });

  test('a job’s own page that cannot be read is told as such, and is no outage', async () => {
    const { server } = await asking('0.33.0');
    const client = rest(serverAddress(server.url), small);
    const ended = await submit(server, short());
    await finished(server, ended);
    server.faults.status = {
      httpStatus: 200,
      body: '{"id": ',
      routes: ['/api/jobs/'],
      contentType: 'application/json',
    };
    for (let n = 0; n < 7; n++)
      expect(await look(lookup(client), [taken(ended)])).toMatchObject([{ promptId: ended, tag: 'unreadable' }]);
    expect(await answer(lookup(client).queue())).toEqual([]);
    await client.close();
  });

  test('[R4] of somebody before ComfyUI are no answers', async () => {
    const { server } = await asking('0.33.0');
    const client = rest(serverAddress(server.url), small);
    server.faults.status = { httpStatus: 200, body: '{"login": true}', contentType: 'application/json' };
    await expect(look(lookup(client), [taken('ours')])).rejects.toBeInstanceOf(NoAnswer);
    await client.close();
  });
});
