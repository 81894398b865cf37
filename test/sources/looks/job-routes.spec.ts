import { lastValueFrom, toArray } from 'rxjs';
import { jobRoutes } from '../../../sources/looks/job-routes';
import { NoAnswer } from '../../../sources/rest/no-answer';
import { watched, type Job } from '../../../streams/job/job';
import type { BoardEvent } from '../../../streams/board/board';
import { nodeError, outOfMemory, twoOutputs } from '../../support/comfyui/workflows';
import { finished, post, submit, until } from '../../support/comfyui/client/comfyui-client';
import { answer, asking, expectCheapLooks, long, look, looking, NEW, short, taken, three, versions } from './asking';

afterEach(expectCheapLooks);

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
    const looked = looking(jobRoutes(client));
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
