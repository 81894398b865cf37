import { Redis } from 'ioredis';
import { startRedis, type RedisServer } from './redis-server';

/** A Redis, and a connection to it that looks past all stores. */
export interface SharedRedis {
  readonly server: RedisServer;
  readonly admin: Redis;
}

/** Has the specs of this file or block share one Redis, empty before each. What it gives is there while a test runs. */
export function sharedRedis(options?: Parameters<typeof startRedis>[0]): SharedRedis {
  let server: RedisServer;
  let admin: Redis;

  beforeAll(async () => {
    server = await startRedis(options);
    // Tests kill it.
    admin = new Redis(server.url, { retryStrategy: () => 20 });
    admin.on('error', () => 'as wanted');
  });
  afterAll(async () => {
    await admin.quit();
    await server.stop();
  });
  beforeEach(() => admin.flushall());

  return {
    get server() {
      return server;
    },
    get admin() {
      return admin;
    },
  };
}
