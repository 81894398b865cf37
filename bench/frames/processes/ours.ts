/** The whole pipeline with Redis and the gateway, as `gateway/cli/main.ts` has it, in the process that is measured. */
import { pino } from 'pino';
import { filter, firstValueFrom, scan } from 'rxjs';
import { openAuth } from '../../../gateway/admission/auth/auth';
import { startGateway } from '../../../gateway/server/server';
import { createPipeline } from '../../../pipeline/instance/create-pipeline';
import { redisStore } from '../../../sinks/redis/redis-store';
import { heap } from '../../heap';
import { pause, type Contender, type ContenderOrder } from '../talk';
import { workflowOf } from '../wire-frames';

/** All jobs of the store under this client id are taken up before anything is measured. */
export async function ours({ url, clientId, redis, jobs = 0 }: ContenderOrder & { tag: 'open' }): Promise<Contender> {
  if (redis === undefined) throw new Error('the pipeline needs a Redis');
  const report = (where: string, error: unknown): void => console.error(`reported by ${where}: ${String(error)}`);
  const before = heap();
  const [began, cpuBefore] = [performance.now(), process.cpuUsage()];
  const pipeline = createPipeline({ servers: [{ url, clientId }], store: redisStore({ url: redis, report }), report });
  if (jobs > 0)
    await firstValueFrom(
      pipeline.recovered$.pipe(
        scan((sum, { length }) => sum + length, 0),
        filter((sum) => sum >= jobs),
      ),
    );
  const takenUpMs = performance.now() - began;
  const { user, system } = process.cpuUsage(cpuBefore);
  const rates = {
    requestsPerMinute: 0,
    bytesPerMinute: 0,
    endedBytesPerUser: 0,
    messagesPerSecond: 0,
    joinsPerSecond: 0,
    socketsPerUser: 0,
  };
  const logger = pino({ level: 'warn' });
  const gateway = await startGateway({ pipeline, host: '127.0.0.1', port: 0, auth: openAuth, logger, rates });
  const linked = (): boolean => pipeline.servers()[0]?.via === 'websocket';
  while (!linked()) await pause(10);
  const submitted: string[] = [];
  return {
    opened: { gateway: gateway.url, takenUpMs, takenUpCpuMs: (user + system) / 1_000, heapBytes: heap() - before },
    came: async (_, end) => {
      while (pipeline.servers()[0]?.queueRemaining !== end) await pause(5);
    },
    submit: async (many) => {
      for (let n = 0; n < many; n += 50) {
        const some = Array.from({ length: Math.min(50, many - n) }, (_, k) => ({
          type: 'bench',
          userId: `user ${(n + k) % 100}`,
          workflow: JSON.stringify(workflowOf(1)),
        }));
        const jobs = await Promise.all(some.map((request) => pipeline.submit(request)));
        submitted.push(...jobs.map(({ promptId }) => promptId));
      }
      return [...submitted];
    },
    settled: async () => {
      for (const promptId of submitted.splice(0))
        while ((await pipeline.get(promptId))?.phase !== 'settled') await pause(20);
      // What is to be stored is, and the index too.
      await pause(1_000);
    },
  };
}
