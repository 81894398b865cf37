import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';

/** How often users, and callers without a valid token, may ask. 0 of any field means no bound. */
export interface Rates {
  /**
   * HTTP requests of one user, or of one address without a valid token, its refused sockets included. Not of services.
   */
  readonly requestsPerMinute: number;
  /** Bytes of bodies of one user. Not of services. */
  readonly bytesPerMinute: number;
  /**
   * Bytes of the states in which one user’s jobs end within two hours, as long as the store keeps them. Services submit on.
   */
  readonly endedBytesPerUser: number;
  /** Messages that one socket of a user may send; a service's may send ten times that. */
  readonly messagesPerSecond: number;
  /** How many of those may be `job:join` or `jobs:watch`; of a service's socket ten times that. */
  readonly joinsPerSecond: number;
  /** Open sockets of one user on this instance. Not of services. */
  readonly socketsPerUser: number;
}

/** The joins allow a page to rejoin its 64 jobs at once after a break; React's strict mode joins each twice. */
export const defaultRates: Rates = {
  requestsPerMinute: 1200,
  bytesPerMinute: 256 << 20,
  endedBytesPerUser: 128 << 20,
  messagesPerSecond: 200,
  joinsPerSecond: 100,
  socketsPerUser: 20,
};

/** What a key may still use. */
export interface Allowance {
  readonly granted: boolean;
  readonly most: number;
  readonly left: number;
  /** In how many ms it is whole again. */
  readonly inMs: number;
}

/** An allowance for each key. */
export interface Meter {
  take(key: string, points?: number): Promise<Allowance>;
}

/** Grants each key `most` points in windows of `seconds`; 0 for no bound. */
export function meter(most: number, seconds: number): Meter {
  if (most === 0) return { take: () => Promise.resolve(BOUNDLESS) };
  const limiter = new RateLimiterMemory({ points: most, duration: seconds });
  return {
    take: async (key, points = 1) => {
      const { consumedPoints, remainingPoints, msBeforeNext } = await limiter.consume(key, points).catch(refused);
      return { granted: consumedPoints <= most, most, left: remainingPoints, inMs: msBeforeNext };
    },
  };
}

const BOUNDLESS: Allowance = { granted: true, most: Infinity, left: Infinity, inMs: 0 };

/** Past the bound the library rejects, with the same kind of value that it otherwise resolves with. */
const refused = (error: unknown): RateLimiterRes => {
  if (error instanceof RateLimiterRes) return error;
  throw error;
};
