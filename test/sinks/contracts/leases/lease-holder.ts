import { redisStore } from '../../../../sinks/redis/redis-store';

/** A process of its own that holds a session, prints what became of that, and stays until it is killed. */
const [url = '', clientId = '', serverUrl = ''] = process.argv.slice(2);
const store = redisStore({ url, report: (where, error) => console.error(where, error), leaseTtlMs: 60_000 });

store.leases.hold({ clientId, serverUrl }).subscribe((outcome) => process.stdout.write(`${outcome}\n`));
