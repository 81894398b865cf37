import { lastValueFrom, of, throwError, toArray, type Observable } from 'rxjs';
import { jobRoutes } from '../../../sources/looks/job-routes';
import { NoAnswer, Unread, Unreadable } from '../../../sources/rest/no-answer';
import { rest, type Answer } from '../../../sources/rest/rest';
import { serverAddress } from '../../../sources/server-address';
import { finished, submit } from '../../support/comfyui/client/comfyui-client';
import { answer, asking, expectCheapLooks, long, look, looking, NEW, short, taken } from './asking';

afterEach(expectCheapLooks);

describe('answers that cannot be read', () => {
  const small = { timeoutMs: 60_000, maxBytes: 65_536, breakAfter: 5 };

  test.each(['0.3.30', '0.3.64'] as const)('a queue too large does not keep an end of %s waiting', async (version) => {
    const { server } = await asking(version, { faults: { giantQueue: 50 } });
    const client = rest(serverAddress(server.url), small);
    const routes = jobRoutes(client);
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

  test('[R5] an answer about another job is none about this one', async () => {
    const outputs = { '9': { images: [{ filename: 'theirs.png', subfolder: '', type: 'output' }] } };
    const routes = jobRoutes({
      get: () => of({ status: 200, json: { id: 'theirs', status: 'completed', outputs } }),
      disown: () => undefined,
    });
    await expect(answer(routes.one('ours'))).rejects.toBeInstanceOf(Unreadable);
    expect(await answer(routes.one('theirs'))).toMatchObject({ tag: 'ended' });
  });

  test('[R8] a 404 of a proxy makes no old server of one: the cheapest endpoint is asked again', async () => {
    const asked: string[] = [];
    let isAway = true;
    const list = { jobs: [], pagination: { offset: 0, limit: null, total: 0, has_more: false } };
    const get = (path: string): Observable<Answer> => {
      asked.push(path);
      return of(isAway ? { status: 404, json: undefined } : { status: 200, json: list });
    };
    const routes = jobRoutes({ get, disown: () => undefined });
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
    const routes = jobRoutes({ get, disown: () => undefined });
    await answer(routes.queue());
    expect(await answer(routes.renamed(['another']))).toEqual(new Map());
    expect(asked.splice(0, 2)).toEqual([NEW, '/queue']);
    expect(asked.splice(0)).toEqual(['/history?max_items=32', '/history?max_items=16', '/history?max_items=8']);
    await answer(routes.renamed(['another']));
    expect(asked.splice(0)).toEqual(['/history?max_items=8']);
    routes.knowsWhetherIdsStay(true);
    expect(await answer(routes.renamed(['another']))).toEqual(new Map());
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
      expect(await look(jobRoutes(client), [taken(ended)])).toMatchObject([{ promptId: ended, tag: 'unreadable' }]);
    expect(await answer(jobRoutes(client).queue())).toEqual([]);
    await client.close();
  });

  test('[R4] a page that there was no time to read says nothing of its job', async () => {
    const get = (path: string): Observable<Answer> => {
      if (path === NEW) return of({ status: 200, json: { jobs: [] } });
      return path === '/prompt'
        ? of({ status: 200, json: { exec_info: { queue_remaining: 0 } } })
        : throwError(() => new Unread('too large for now', true));
    };
    const routes = jobRoutes({ get, disown: () => undefined });
    expect(await look(routes, [taken('ours')])).toMatchObject([{ promptId: 'ours', tag: 'unanswered' }]);
  });

  test('[R4] of somebody before ComfyUI are no answers', async () => {
    const { server } = await asking('0.33.0');
    const client = rest(serverAddress(server.url), small);
    server.faults.status = { httpStatus: 200, body: '{"login": true}', contentType: 'application/json' };
    await expect(look(jobRoutes(client), [taken('ours')])).rejects.toBeInstanceOf(NoAnswer);
    await client.close();
  });
});
