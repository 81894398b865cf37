import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { startComfyUI } from '../../test/support/comfyui/stand-in';
import { training } from '../../test/support/comfyui/workflows';
import { ensureRedisServer, startRedis } from '../../test/support/redis/redis-server';
import { startInstance } from '../../test/system/service/instance';

/** What the story is played on: a Redis that keeps a file, a simulated ComfyUI, and the built service as a process. */
export interface Stage {
  readonly url: string;
  /** A user's, for an hour. */
  readonly token: string;
  /** How often ComfyUI began to run something. */
  executions(): number;
  killRedis(): Promise<void>;
  startRedis(): Promise<void>;
  /** Ends the service by that signal, and starts it again on the same port. */
  restart(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  close(): Promise<void>;
}

export async function openStage(userId: string): Promise<Stage> {
  await ensureRedisServer();
  const directory = await mkdtemp(join(tmpdir(), 'lora-training-'));
  const redis = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
  const comfyui = await startComfyUI({ version: '0.33.0' });
  const secret = randomBytes(32).toString('base64');
  const settings = { REDIS_URL: redis.url, COMFYUI_URL: comfyui.url, JWT_SECRET: secret, LOG_LEVEL: 'warn' };
  const service = await startInstance('service', settings, join(directory, 'service.log'));
  const token = await new SignJWT({ sub: userId })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(secret));
  return {
    url: service.url,
    token,
    executions: () => comfyui.executedWorkflows.length,
    killRedis: () => redis.kill(),
    startRedis: () => redis.start(),
    restart: async (signal) => {
      await (signal === 'SIGKILL' ? service.kill() : service.terminate());
      await service.start();
    },
    close: async () => {
      await service.kill();
      await comfyui.stop();
      await redis.stop();
      await rm(directory, { recursive: true });
    },
  };
}

/** A workflow with ComfyUI's own `TrainLora`, of so many steps. */
export const trainLora = (steps: number, secondsPerStep: number): object => training({ steps, secondsPerStep });
