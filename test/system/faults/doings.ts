import { setTimeout as sleep } from 'node:timers/promises';
import type { Server } from '../service/bench';
import type { Instance } from '../service/instance';
import type { Chance } from '../seeded';
import type { Truth } from '../verdicts/truth';

/** Leases run out after 10 s: whoever sleeps for longer wakes up as a zombie. */
const ZOMBIE_MS = [12_500, 15_000] as const;

/** What can be done to an instance. `asleep` holds the stopped processes. */
export const onInstance = (chance: Chance, asleep: Set<number>) => {
  const restartLater = async (instance: Instance): Promise<void> => {
    await sleep(chance.between(200, 3_000));
    await instance.start();
  };
  return {
    'kill -9': async (instance: Instance): Promise<void> => {
      await instance.kill();
      await restartLater(instance);
    },
    SIGTERM: async (instance: Instance): Promise<void> => {
      await instance.terminate();
      await restartLater(instance);
    },
    'SIGSTOP instance': async (instance: Instance): Promise<void> => {
      const { pid } = instance;
      instance.pause();
      asleep.add(pid);
      await sleep(chance.between(...ZOMBIE_MS));
      instance.resume();
      asleep.delete(pid);
    },
  };
};

/** What can be done to a ComfyUI, and to the link to it. */
export const onServer = (truth: Truth, chance: Chance) => ({
  'ComfyUI outage': async ({ link }: Server): Promise<void> => {
    link.refuse();
    link.reset();
    await sleep(chance.between(3_000, 10_000));
    link.accept();
  },
  'ComfyUI restart': async ({ comfy }: Server): Promise<void> => {
    await truth.read(comfy);
    await comfy.kill();
    await sleep(chance.between(500, 5_000));
    await comfy.restart();
  },
  'ComfyUI link reset': ({ link }: Server): Promise<void> => {
    link.reset();
    return Promise.resolve();
  },
  'ComfyUI stale sockets': async ({ link }: Server): Promise<void> => {
    link.cutClients();
    await sleep(chance.between(1_000, 4_000));
    link.releaseServers();
  },
  'ComfyUI link slow': async ({ link }: Server): Promise<void> => {
    link.slow(chance.between(100, 600), chance.between(20_000, 200_000));
    await sleep(chance.between(2_000, 6_000));
    link.slow(0);
  },
  'ComfyUI link frozen': async ({ link }: Server): Promise<void> => {
    link.pause();
    await sleep(chance.between(1_000, 5_000));
    link.resume();
  },
});
