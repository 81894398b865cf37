import type { Redis } from 'ioredis';
import { leaseKey } from '../../../sinks/redis/leases/redis-leases';
import { redisStore } from '../../../sinks/redis/redis-store';
import type { JobState } from '../../../streams/job/job-state';
import { start, stopAll } from '../comfyui/client/comfyui-client';
import type { ComfyUIStandIn } from '../comfyui/stand-in';
import { steps } from '../comfyui/workflows';
import { anInstance, closeAll, type Instance, type InstanceOptions } from './pipelines';
import type { RedisServer } from '../redis/redis-server';
import { sharedRedis } from '../redis/shared-redis';

/** A step each 50 ms. */
export const lasting = (seconds: number) => steps({ steps: seconds * 20, secondsPerStep: 0.05 });
export const short = () => steps({ steps: 2, secondsPerStep: 0.02 });
export const progressed = ({ progress }: JobState): boolean => progress > 5;

/** One Redis, empty before each test, a ComfyUI of the test's own, and instances on both. */
export interface OneRedis {
  readonly redis: RedisServer;
  /** Looks past all instances. */
  readonly admin: Redis;
  readonly comfy: ComfyUIStandIn;
  readonly instance: (options?: Partial<InstanceOptions>) => Instance;
  /** Until they are let go, jobs stay where they are progressed, however long it takes to see what is to be seen. */
  readonly holdJobs: () => void;
  readonly letJobsGo: () => void;
  readonly stored: (promptId: string) => Promise<JobState | undefined>;
  /** Who holds a session. */
  readonly owner: (clientId?: string) => Promise<string | null>;
}

/** Has the specs of this file share one Redis. What it gives is there while a test runs. */
export function onOneRedis(): OneRedis {
  const shared = sharedRedis();
  let comfy: ComfyUIStandIn;

  beforeEach(async () => {
    comfy = await start();
  });
  afterEach(async () => {
    await closeAll();
    await stopAll();
  });

  return {
    get redis() {
      return shared.server;
    },
    get admin() {
      return shared.admin;
    },
    get comfy() {
      return comfy;
    },
    instance: (options = {}) =>
      anInstance({
        servers: [comfy.url],
        store: (report) => redisStore({ url: shared.server.url, report, commandTimeoutMs: 10_000 }),
        ...options,
      }),
    holdJobs: () => void (comfy.faults.mostSteps = 15),
    letJobsGo: () => void (comfy.faults.mostSteps = Infinity),
    stored: async (promptId) => {
      const json = await shared.admin.get(`comfyui:job:${promptId}`);
      return json === null ? undefined : (JSON.parse(json) as JobState);
    },
    owner: (clientId = '') => shared.admin.get(leaseKey(clientId)),
  };
}
