import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';

/** How often others may ask; 0 where there is no bound. */
export interface Rates {
  /** HTTP requests of one user; and of one address that shows no valid token, refused sockets included. Services may as they like. */
  readonly requestsPerMinute: number;
  /** Bytes of bodies of one user. Services may as they like. */
  readonly bytesPerMinute: number;
  /** What one socket may send; a service's ten times that. */
  readonly messagesPerSecond: number;
  /** How many of those may be joins, or ask to watch all. */
  readonly joinsPerSecond: number;
  /** Of one user at a time, on this instance. Services may have as many as they like. */
  readonly socketsPerUser: number;
}

/** A page may join its 64 jobs at once after each break, and React's strict mode does everything twice. */
export const defaultRates: Rates = {
  requestsPerMinute: 1200,
  bytesPerMinute: 256 << 20,
  messagesPerSecond: 200,
  joinsPerSecond: 100,
  socketsPerUser: 20,
};

/** What is left of an allowance. */
export interface Allowance {
  readonly granted: boolean;
  readonly most: number;
  readonly left: number;
  /** When it is whole again. */
  readonly inMs: number;
}

/** An allowance for each key, whole again after so many seconds. */
export interface Meter {
  take(key: string, points?: number): Promise<Allowance>;
}

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

/** The library rejects with the very thing that it resolves with. */
const refused = (error: unknown): RateLimiterRes => {
  if (error instanceof RateLimiterRes) return error;
  throw error;
};
