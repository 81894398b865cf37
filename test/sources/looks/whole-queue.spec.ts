import { asyncScheduler, lastValueFrom, map, toArray } from 'rxjs';
import { lookUp } from '../../../sources/looks/look-up';
import type { IsOurs } from '../../../sources/looks/other-workflows';
import type { JobRoutes } from '../../../sources/looks/job-routes';
import type { Job } from '../../../streams/job/job';
import { NEW, asking, expectCheapLooks, long, taken, three, versions } from './asking';
import { submit } from '../../support/comfyui/client/comfyui-client';

afterEach(expectCheapLooks);

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

describe.each(versions)('other clients’ workflows, on %s', (version) => {
  const sizesBy = (routes: JobRoutes) => {
    const look = lookUp(routes, asyncScheduler);
    return async (job: Job, isOurs: IsOurs): Promise<readonly (number | undefined)[]> => {
      const events = await lastValueFrom(look([job], isOurs).pipe(toArray()));
      return events
        .flatMap((event) => (event.tag === 'queueSeen' ? event.entries : []))
        .map(({ graph }) => graph()?.size);
    };
  };

  test('[R8] are read for a job that waits behind them, once, and again only where another one came', async () => {
    const { server, routes, paths } = await asking(version);
    const [, , own] = await three(server);
    const sizes = sizesBy(routes);
    const isOurs: IsOurs = (runId) => runId === own;
    expect(await sizes(taken(own), isOurs)).toEqual([4, 4, 4]);
    if (version !== '0.33.0') return;
    expect(paths()).toEqual(expect.arrayContaining([NEW, '/queue']));
    await sizes(taken(own), isOurs);
    // Behind it they do not matter.
    await submit(server, long());
    await sizes(taken(own), isOurs);
    expect(paths().filter((path) => path === NEW || path === '/queue')).toEqual([NEW, NEW]);
    const last = await submit(server, long());
    expect(await sizes(taken(last), (runId) => runId === own || runId === last)).toEqual([4, 4, 4, 4, 4]);
  });

  test('are told with whose they are', async () => {
    const { server, routes } = await asking(version);
    for (const client of ['ada', 'bob']) {
      const body = JSON.stringify({ prompt: long(), client_id: client });
      await fetch(`${server.url}/prompt`, { method: 'POST', body });
    }
    const own = await submit(server, long());
    const events = await lastValueFrom(
      lookUp(routes, asyncScheduler)([taken(own)], (runId) => runId === own).pipe(toArray()),
    );
    const entries = events.flatMap((event) => (event.tag === 'queueSeen' ? event.entries : []));
    expect(entries.map(({ client }) => client).slice(0, 2)).toEqual(['ada', 'bob']);
  });

  test('[R8] are not read for a job that runs, or waits behind our own jobs only', async () => {
    const { server, routes, paths } = await asking(version);
    const ids = await three(server);
    const sizes = sizesBy(routes);
    await sizes(taken(ids[0]), (runId) => runId === ids[0]);
    await sizes(taken(ids[2]), (runId) => (ids as readonly string[]).includes(runId));
    if (version === '0.33.0') expect(paths()).not.toContain('/queue');
  });

  test('are missed, and nothing else, where the queue as a whole cannot be read', async () => {
    const { server, routes, paths } = await asking(version);
    const [, , own] = await three(server);
    if (version !== '0.33.0') return;
    server.faults.status = { httpStatus: 500, body: 'no', routes: ['/queue'] };
    const sizes = sizesBy(routes);
    for (const _ of [1, 2]) expect(await sizes(taken(own), (runId) => runId === own)).toEqual(Array(3).fill(undefined));
    expect(paths().filter((path) => path === '/queue')).toHaveLength(1);
  });
});
