import { ensureRedisServer } from './redis-server';

/** What the tests need of the machine. */
export default async function globalSetup(): Promise<void> {
  await ensureRedisServer();
}
