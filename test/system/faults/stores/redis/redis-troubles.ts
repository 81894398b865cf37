import { setTimeout as sleep } from 'node:timers/promises';
import type { Chance } from '../../../seeded';
import type { RedisBench } from '../../../service/bench';
import type { StoreTrouble } from '../tested-store';

/** What can be done to Redis, and to the link between it and all instances. */
export const redisTroubles = (
  { redis, redisLink }: RedisBench,
  chance: Chance,
): Readonly<Record<string, StoreTrouble>> => ({
  'kill -9 Redis': {
    weight: 1.2,
    act: async () => {
      await redis.kill();
      await sleep(chance.between(200, 4_000));
      await redis.start();
    },
  },
  'SIGSTOP Redis': {
    weight: 1.2,
    act: async () => {
      redis.pause();
      await sleep(chance.between(2_000, 8_000));
      redis.resume();
    },
  },
  'Redis link reset': {
    weight: 1,
    act: () => {
      redisLink.reset();
      return Promise.resolve();
    },
  },
  'Redis link half-open': {
    weight: 1,
    act: async () => {
      redisLink.pause();
      await sleep(chance.between(2_000, 6_000));
      redisLink.resume();
    },
  },
  'Redis link slow': {
    weight: 0.8,
    act: async () => {
      redisLink.slow(chance.between(20, 150));
      await sleep(chance.between(2_000, 6_000));
      redisLink.slow(0);
    },
  },
});
