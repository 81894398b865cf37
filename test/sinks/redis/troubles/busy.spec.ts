import { lastValueFrom, NEVER } from 'rxjs';
import { redisListener } from '../../../../sinks/redis/connection/listener';
import { until } from '../../../support/until';
import { adminOf, endTroubles, failureOf, start } from '../../../support/redis/troubled-redis';

afterEach(endTroubles);

describe('[R12] a Redis that is busy with a script', () => {
  it('does not keep who began to listen meanwhile from ever hearing', async () => {
    const server = await start('--busy-reply-threshold', '100');
    const nodes = { homeOf: () => server.url, moved$: NEVER, lookAround: () => undefined };
    const told: string[] = [];
    const listener = redisListener(nodes, (where, error) => told.push(`${where}: ${String(error)}`), 1_000);
    const [before, meanwhile]: [unknown[], unknown[]] = [[], []];
    const listening = listener.listen('{a}:before').subscribe((message) => before.push(message));
    await until(() => before.length === 1);
    const [admin, other] = [adminOf(server), adminOf(server)];
    await Promise.all([admin.ping(), other.ping()]);
    const over = expect(other.eval('while true do end', 0)).rejects.toThrow(/killed by user/i);
    await until(async () => (await failureOf(admin.ping())).includes('BUSY'));
    listening.add(listener.listen('{a}:meanwhile').subscribe((message) => meanwhile.push(message)));
    listening.add(listener.listen('{a}:as-well').subscribe());
    await until(() => told.length > 0);
    await admin.call('SCRIPT', 'KILL');
    await over;
    await until(() => meanwhile.length > 0);
    await admin.spublish('{a}:meanwhile', 'news');
    await until(() => meanwhile.at(-1) === 'news');
    expect(told).toEqual([expect.stringMatching(/^redis listener: Error: BUSY/)]);
    listening.unsubscribe();
    await lastValueFrom(listener.close(), { defaultValue: undefined });
  });
});
