import { execFileSync } from 'node:child_process';
import { ensureRedisServer } from './redis-server';

/** What the tests need of the machine. */
export default async function globalSetup(): Promise<void> {
  execFileSync(process.execPath, ['scripts/build-dashboard.mjs'], { stdio: 'inherit' });
  await ensureRedisServer();
}
