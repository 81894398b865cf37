import { asyncScheduler, lastValueFrom, of, throwError } from 'rxjs';
import { lookUp } from '../../../sources/looks/look-up';
import { jobRoutes, type JobRoutes } from '../../../sources/looks/job-routes';
import { rest } from '../../../sources/rest/rest';
import { serverAddress } from '../../../sources/server-address';
import type { RunFacts } from '../../../streams/job/job';
import { finished, submit } from '../../support/comfyui/client/comfyui-client';
import { answer, asking, expectCheapLooks, look, short, taken, versions } from './asking';

afterEach(expectCheapLooks);

describe.each(versions)('many jobs that are not in the queue, on %s', (version) => {
  const HISTORY =
    version === '0.33.0' ? '/api/jobs?status=completed,failed,cancelled&limit=32' : '/history?max_items=32';
  const ids = ['a', 'b', 'c', 'd', 'e'];
  const tagsOf = async (routes: JobRoutes, facts: Partial<RunFacts> = {}): Promise<readonly string[]> => {
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
    const gone = jobRoutes({ ...client, get });
    expect(await tagsOf(gone, { heardAt: 1, absences: { count: 1, since: 0 } })).toEqual(ids.map(() => 'absent'));
  });
});

test('a mistake of ours in reading the list is no want of an answer', async () => {
  const mistake = new TypeError('a mistake');
  const routes = jobRoutes({ get: () => of({ status: 200, json: {} }), disown: () => undefined });
  const jobs = ['a', 'b', 'c'].map((promptId) => taken(promptId, { heardAt: 1 }));
  const broken: JobRoutes = { ...routes, queue: () => of([]), ends: () => throwError(() => mistake) };
  await expect(lastValueFrom(lookUp(broken, asyncScheduler)(jobs))).rejects.toBe(mistake);
});
