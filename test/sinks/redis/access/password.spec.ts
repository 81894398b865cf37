import { inspect } from 'node:util';
import { lastValueFrom } from 'rxjs';
import { StoreUnavailable, UnsuitableStore } from '../../../../sinks/job-store';
import { InvalidRedisUrl } from '../../../../sinks/redis/connection/url';
import { startRedis, type RedisServer } from '../../../support/redis/redis-server';
import { until } from '../../../support/until';
import { openedStores, put } from '../../../support/redis/opened-stores';

const { open, reports, errors } = openedStores();

describe('the password', () => {
  const SECRET = 's3cr@t:/#%?';
  let locked: RedisServer;
  const urlWith = (password: string) => `redis://:${encodeURIComponent(password)}@127.0.0.1:${locked.port}`;
  const shown = (...things: readonly unknown[]) => inspect(things, { depth: 20, showHidden: true });

  beforeAll(async () => {
    locked = await startRedis({ args: ['--requirepass', SECRET] });
  });
  afterAll(() => locked.stop());

  it('opens the store', async () => {
    const store = open(urlWith(SECRET));
    expect(await put(store)).toBe('stored');
  });

  it('is asked for at once: a Redis that lets nobody in is unsuitable, and not away', async () => {
    const preflight = (url: string) => lastValueFrom(open(url).preflight());
    const wrong = preflight(urlWith('another'));
    await expect(wrong).rejects.toThrow(UnsuitableStore);
    await expect(wrong).rejects.toThrow('Redis refuses the user or the password in its URL (WRONGPASS)');
    await expect(preflight(locked.url)).rejects.toThrow('Redis wants a password, and its URL has none (NOAUTH)');
  });

  it('is in no error and no report where it is wrong', async () => {
    const wrong = `not-${SECRET}`;
    const store = open(urlWith(wrong));
    const watching = store.changes('job-1').subscribe();
    await until(() => reports.some(({ where }) => where === 'redis listener'));
    const failure = await put(store).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StoreUnavailable);
    expect(errors().join()).toContain('WRONGPASS');
    for (const text of [wrong, encodeURIComponent(wrong)]) expect(shown(failure, reports)).not.toContain(text);
    watching.unsubscribe();
  });

  it('is in no error where the command that carries it is quoted by the server', async () => {
    const ancient = await startRedis({
      args: ['--requirepass', SECRET, '--rename-command', 'HELLO', '', '--rename-command', 'AUTH', ''],
    });
    const store = open(urlWith(SECRET).replace(`${locked.port}`, `${ancient.port}`));
    await until(() => reports.length > 0);
    const failure = await put(store).catch((error: unknown) => error);
    expect(shown(failure, reports)).not.toContain(SECRET);
    expect(errors().join()).toContain('***');
    await ancient.stop();
  });

  it.each([
    'redis://:hush/x@host',
    'redis://:hush#x@host',
    'redis://u:hush@ho st',
    'http://u:hush@host',
    'host:6379',
    '',
  ])('is in no error where %j is no URL of a Redis', (url) => {
    const failure = thrownBy(() => open(url));
    expect(failure).toBeInstanceOf(InvalidRedisUrl);
    expect(shown(failure)).not.toContain('hush');
  });
});

function thrownBy(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}
