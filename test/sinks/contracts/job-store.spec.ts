import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom } from 'rxjs';
import { embeddedStore } from '../../../sinks/embedded/embedded-store';
import { lmdbFile } from '../../../sinks/embedded/file/lmdb-file';
import { feedChannel } from '../../../sinks/redis/feed/redis-feed';
import { redisStore } from '../../../sinks/redis/redis-store';
import { sharedRedis } from '../../support/redis/shared-redis';
import { jobStoreContract } from './job-store/contract';
import { PATIENCE_MS, until } from '../../support/until';

jobStoreContract('the embedded store', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'jobstream-'));
  const reports: unknown[] = [];
  return {
    store: embeddedStore({ directory, report: (_where, error) => reports.push(error) }),
    reports,
    listening: () => Promise.resolve(),
    overwriteKept: async (promptId, text) => {
      const file = lmdbFile(directory);
      const entry = { key: `workflow:${promptId}`, text, until: Date.now() + 60_000 };
      await lastValueFrom(file.transact((txn) => txn.write(entry)));
      await lastValueFrom(file.close(), { defaultValue: undefined });
    },
    dispose: () => rm(directory, { recursive: true }),
  };
});

describe('with a real Redis', () => {
  const shared = sharedRedis();

  jobStoreContract('the Redis store', async () => {
    await shared.admin.flushall();
    const reports: unknown[] = [];
    return {
      store: redisStore({
        url: shared.server.url,
        report: (_where, error) => reports.push(error),
        commandTimeoutMs: PATIENCE_MS,
      }),
      reports,
      listening: (promptId) =>
        until(async () => {
          const [, watchers] = (await shared.admin.call('PUBSUB', 'SHARDNUMSUB', feedChannel(promptId))) as [
            string,
            number,
          ];
          return watchers === 1;
        }),
      overwriteKept: async (promptId, text) => {
        await shared.admin.set(`{comfyui:job:${promptId}}:workflow`, text);
      },
      dispose: () => Promise.resolve(),
    };
  });
});
