import { Redis } from 'ioredis';
import { decodedLogin, withoutLogin } from './jobs/pod-rest';

/** A job as the application keeps it in Redis. */
export interface JobState {
  promptId: string;
  type: 'image_generation' | 'lora_training' | 'face_swap' | 'character_sheet';
  userId: string;
  characterId?: string;
  status: 'queued' | 'processing' | 'completed' | 'failed';
  /** 0–100. */
  progress: number;
  /** In ms since 1970. */
  startedAt: number;
  clientId?: string;
  /** Stored without a login. */
  serverUrl: string;
}

/** The methods that are used of a Redis client, as ioredis has them. */
export interface RedisClient {
  /** The value, or `null`. */
  get(key: string): Promise<string | null>;
  /** Stores a value that expires after this many seconds. */
  set(key: string, value: string, unit: 'EX', seconds: number): Promise<unknown>;
  /** Resolves with the number of keys that were removed. */
  del(key: string): Promise<number>;
  /** All keys that match a glob pattern. */
  keys(pattern: string): Promise<string[]>;
  /** Rejects if there is no connection. */
  ping(): Promise<unknown>;
  /** Ends the connection. */
  disconnect?(): unknown;
  /** Used in place of `keys` if it is there: `keys` blocks a Redis that others share. */
  scan?(cursor: string, match: 'MATCH', pattern: string, count: 'COUNT', most: number): Promise<[string, string[]]>;
}

/** Where, under which keys and for how long states are kept. */
export interface ComfyUIJobPersistenceConfig {
  readonly redisClient: RedisClient;
  /** The prefix of all keys; `comfyui:job:` by default. */
  readonly keyPrefix?: string | undefined;
  /** How long a state lives after its last write, in seconds; 7,200 by default. */
  readonly ttl?: number | undefined;
  /** How old a job may be to be recovered, in seconds; 600 by default. */
  readonly maxRecoveryAge?: number | undefined;
}

const SCANNED = 256;

/** Job states in Redis, a string each, which outlive the application's process. */
export class ComfyUIJobPersistenceService {
  private readonly redis: RedisClient;
  private readonly keyPrefix: string;
  private readonly ttl: number;
  private readonly maxRecoveryAge: number;
  /** The last write under way of each job. Its writes run one after the other, or an older state could win. */
  private readonly writing = new Map<string, Promise<void>>();

  constructor(config: ComfyUIJobPersistenceConfig) {
    this.redis = config.redisClient;
    this.keyPrefix = config.keyPrefix ?? 'comfyui:job:';
    this.ttl = config.ttl ?? 7_200;
    this.maxRecoveryAge = config.maxRecoveryAge ?? 600;
  }

  /** Stores a state in place of the one before. */
  saveJobState(jobState: JobState): Promise<void> {
    return this.inTurn(jobState.promptId, () => this.write(jobState));
  }

  /**
   * Changes a stored state; does nothing if none is stored, or the job has ended (R1). Progress never falls (R2) and is
   * a whole number.
   */
  updateJobState(promptId: string, updates: Partial<JobState>): Promise<void> {
    return this.inTurn(promptId, async () => {
      const before = await this.getJobState(promptId);
      if (before === null || hasEnded(before)) return;
      const progress = Math.floor(Math.max(before.progress, updates.progress ?? 0));
      await this.write({ ...before, ...updates, promptId, progress });
    });
  }

  /** The stored state; `null` if there is none, or none that can be read. */
  async getJobState(promptId: string): Promise<JobState | null> {
    return readState(await this.redis.get(this.keyOf(promptId)));
  }

  /** Removes a job's state; does nothing if there is none. */
  deleteJobState(promptId: string): Promise<void> {
    return this.inTurn(promptId, async () => {
      await this.redis.del(this.keyOf(promptId));
    });
  }

  /** The jobs that have not ended and are at most `maxRecoveryAge` old. */
  async recoverActiveJobs(): Promise<JobState[]> {
    const states = await this.states();
    return states.filter((state) => !hasEnded(state) && ageOf(state) <= this.maxRecoveryAge);
  }

  /** Deletes the states of jobs that are older than `ttl`. Resolves with how many there were. */
  async cleanupStaleJobs(): Promise<number> {
    const old = (await this.states()).filter((state) => ageOf(state) > this.ttl);
    for (const { promptId } of old) await this.deleteJobState(promptId);
    return old.length;
  }

  /** Whether Redis answers. */
  async isAvailable(): Promise<boolean> {
    try {
      await this.redis.ping();
      return true;
    } catch {
      return false;
    }
  }

  /** Disconnects from Redis. */
  close(): void {
    this.redis.disconnect?.();
  }

  private keyOf(promptId: string): string {
    return `${this.keyPrefix}${promptId}`;
  }

  private async write(state: JobState): Promise<void> {
    const kept = { ...state, serverUrl: withoutLogin(state.serverUrl) };
    await this.redis.set(this.keyOf(state.promptId), JSON.stringify(kept), 'EX', this.ttl);
  }

  private inTurn(promptId: string, work: () => Promise<void>): Promise<void> {
    const done = (this.writing.get(promptId) ?? Promise.resolve()).catch(() => undefined).then(work);
    const last = done.finally(() => {
      if (this.writing.get(promptId) === last) this.writing.delete(promptId);
    });
    this.writing.set(promptId, last);
    return last;
  }

  /** Every state that can be read; one key that cannot hides no other (R15). */
  private async states(): Promise<readonly JobState[]> {
    const states: JobState[] = [];
    for (const key of await this.stateKeys()) {
      const state = readState(await this.redis.get(key).catch(() => null));
      if (state !== null && key === this.keyOf(state.promptId)) states.push(state);
    }
    return states;
  }

  private async stateKeys(): Promise<readonly string[]> {
    const pattern = `${this.keyPrefix.replace(/[\\*?[\]]/g, '\\$&')}*`;
    if (this.redis.scan === undefined) return this.redis.keys(pattern);
    const found = new Set<string>();
    for (let cursor: string | undefined; cursor !== '0';) {
      const [next, keys] = await this.redis.scan(cursor ?? '0', 'MATCH', pattern, 'COUNT', SCANNED);
      keys.forEach((key) => found.add(key));
      cursor = next;
    }
    return [...found];
  }
}

/**
 * A service for the Redis of `REDIS_URL`, with its user and database, or of `REDIS_HOST`, `REDIS_PORT` and
 * `REDIS_PASSWORD`. Connects at the first call. Throws a `TypeError` if the login is not percent-encoded.
 */
export function createComfyUIJobPersistenceService(): ComfyUIJobPersistenceService {
  const redisClient = redisOf(process.env);
  // Each command rejects with the error, too; without a listener, ioredis would print it.
  redisClient.on('error', () => undefined);
  return new ComfyUIJobPersistenceService({ redisClient });
}

function redisOf(env: NodeJS.ProcessEnv): Redis {
  const { REDIS_URL: given = '', REDIS_HOST: host = 'localhost', REDIS_PORT: port, REDIS_PASSWORD: secret } = env;
  const shared = { lazyConnect: true, maxRetriesPerRequest: 3 };
  if (!URL.canParse(given))
    return new Redis({ ...shared, host, port: Number(port) || 6379, ...(secret ? { password: secret } : {}) });
  const url = new URL(given);
  // A login without a password is the password.
  const username = url.password === '' ? '' : decodedLogin(url.username, 'REDIS_URL');
  const password = decodedLogin(url.password || url.username, 'REDIS_URL');
  const isTls = url.protocol === 'rediss:' || url.hostname.endsWith('upstash.io');
  return new Redis({
    ...shared,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port) || 6379,
    db: Number(url.pathname.slice(1)) || 0,
    ...(username !== '' && { username }),
    ...(password !== '' && { password }),
    ...(isTls && { tls: {} }),
  });
}

const hasEnded = ({ status }: JobState): boolean => status === 'completed' || status === 'failed';

/** How long ago the job was submitted, in seconds. */
const ageOf = ({ startedAt }: JobState): number => (Date.now() - startedAt) / 1_000;

function readState(text: string | null): JobState | null {
  if (!text) return null;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && 'promptId' in value ? (value as JobState) : null;
  } catch {
    return null;
  }
}
