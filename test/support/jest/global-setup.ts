import { buildDashboard, builtFolder } from '../programs/built';
import { filesInMemory } from '../programs/memory';
import { ensureRedisServer } from '../redis/redis-server';

/** What the tests of edges need of the machine: a Redis, the dashboard, and the code of what runs in processes of its own. */
export default async function globalSetup(): Promise<void> {
  filesInMemory();
  buildDashboard();
  builtFolder();
  await ensureRedisServer();
}
