import { lastValueFrom } from 'rxjs';
import { until } from '../../../support/until';
import {
  adminOf,
  endTroubles,
  failureOf,
  get,
  open,
  preflight,
  put,
  reports,
  start,
} from '../../../support/redis/troubled-redis';

afterEach(endTroubles);

describe('who may not', () => {
  const SECRET = 'hush-hush';

  it.each([
    ['with a wrong password', 'redis://:hush-hush@', 'WRONGPASS'],
    ['without a password', 'redis://', 'NOAUTH'],
    ['as nobody known', 'redis://nobody:hush-hush@', 'WRONGPASS'],
  ])('%s is told why, and no secret', async (_name, prefix, why) => {
    const server = await start('--requirepass', 'another');
    const store = open(server.url.replace('redis://', prefix));
    await until(() => reports.length > 0);
    for (const use of [put(store), get(store), lastValueFrom(store.leases.orphans())]) {
      expect(await failureOf(use)).toMatch(new RegExp(`^StoreUnavailable: Redis: ${why}`));
    }
    expect(await failureOf(preflight(store))).toMatch(new RegExp(`^UnsuitableStore: Redis .*\\(${why}\\)$`));
    expect(reports.join()).toContain(why);
    expect(reports.join()).not.toContain(SECRET);
  });

  it.each([
    ['run scripts', ['~*', '&*', '+@all', '-evalsha', '-eval'], /NOPERM.*eval/],
    ['use our keys', ['~other:*', '&*', '+@all'], /NOPERM.*keys?/],
  ])('%s is told why, and no secret', async (_name, rules, why) => {
    const server = await start();
    await adminOf(server).acl('SETUSER', 'shy', 'on', `>${SECRET}`, ...rules);
    const store = open(server.url.replace('//', `//shy:${SECRET}@`));
    const failure = await failureOf(put(store));
    expect(failure).toMatch(/^StoreUnavailable: Redis: /);
    expect(failure).toMatch(why);
    expect([failure, ...reports].join()).not.toContain(SECRET);
  });

  it('[R11] read any more writes over no newer state, and takes no session that another holds', async () => {
    const server = await start();
    const admin = adminOf(server);
    await admin.acl('SETUSER', 'shy', 'on', `>${SECRET}`, '~*', '&*', '+@all');
    const session = { clientId: 'client-1', serverUrl: 'http://comfy:8188' };
    const [store, other] = [open(server.url.replace('//', `//shy:${SECRET}@`)), open(server.url)];
    await put(other, { seq: 2 });
    expect(await lastValueFrom(other.leases.hold(session))).toBe('held');
    await put(store, { promptId: 'job-2' });
    await admin.acl('SETUSER', 'shy', '-get', '-hget');
    const uses = [
      put(store, { seq: 1 }),
      lastValueFrom(store.leases.orphans()),
      lastValueFrom(store.leases.hold(session)),
    ];
    for (const use of uses) expect(await failureOf(use)).toMatch(/^StoreUnavailable: Redis: /);
    await admin.acl('SETUSER', 'shy', '+@all');
    expect(await get(store)).toMatchObject({ seq: 2 });
    expect(await lastValueFrom(store.leases.orphans())).toMatchObject({ sessions: [] });
    expect(await lastValueFrom(store.leases.hold(session))).toBe('taken');
  });

  it('listen is told why', async () => {
    const server = await start();
    await adminOf(server).acl('SETUSER', 'shy', 'on', `>${SECRET}`, '~*', 'resetchannels', '+@all');
    const store = open(server.url.replace('//', `//shy:${SECRET}@`));
    const watching = store.changes('job-1').subscribe();
    await until(() => reports.some((text) => /^redis listener: .*NOPERM.*channel/.test(text)));
    watching.unsubscribe();
  });
});
