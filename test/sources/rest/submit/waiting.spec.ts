import { NEVER, Subject } from 'rxjs';
import { start } from '../../../support/comfyui/client/comfyui-client';
import { executionsOf, letGoOfAll, posts, short, submitTo } from './submitting';

afterEach(letGoOfAll);

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
