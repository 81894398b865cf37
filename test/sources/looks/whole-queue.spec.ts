import { asyncScheduler, lastValueFrom, map, toArray } from 'rxjs';
import { lookUp } from '../../../sources/looks/look-up';
import { asking, expectCheapLooks, taken, three, versions } from './asking';

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
