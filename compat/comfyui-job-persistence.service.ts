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
  /** Kept without a login. */
  serverUrl: string;
}

/** What is asked of a Redis client; ioredis, or whatever else has these. */
export interface RedisClient {
  /** The value, or `null`. */
  get(key: string): Promise<string | null>;
  /** Keeps a value for so many seconds. */
  set(key: string, value: string, unit: 'EX', seconds: number): Promise<unknown>;
  /** How many keys went. */
  del(key: string): Promise<number>;
  /** All keys that fit a glob pattern. */
  keys(pattern: string): Promise<string[]>;
  /** Rejects where there is no connection. */
  ping(): Promise<unknown>;
  /** Ends the connection. */
  disconnect?(): unknown;
  /** Used in place of `keys`, which holds a Redis up that others share. */
  scan?(cursor: string, match: 'MATCH', pattern: string, count: 'COUNT', most: number): Promise<[string, string[]]>;
}

/** Where, under which keys and for how long states are kept. */
export interface ComfyUIJobPersistenceConfig {
  readonly redisClient: RedisClient;
  /** `comfyui:job:` where absent. */
  readonly keyPrefix?: string | undefined;
  /** How long a state lives after its last write, in seconds; 7,200 where absent. */
  readonly ttl?: number | undefined;
  /** How old a job may be to be recovered, in seconds; 600 where absent. */
  readonly maxRecoveryAge?: number | undefined;
}

const SCANNED = 256;

/** Job states in Redis, a string each, which outlive the application's process. */
export class ComfyUIJobPersistenceService {
  private readonly redis: RedisClient;
  private readonly keyPrefix: string;
  private readonly ttl: number;
  private readonly maxRecoveryAge: number;
  /** The last write of each job that is under way: one follows the other, or an older state would win. */
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
   * Changes a state that is stored; one that is not stays so. A job that has ended stays as it is (R1), and progress never
   * falls (R2) and is a whole number.
   */
  updateJobState(promptId: string, updates: Partial<JobState>): Promise<void> {
    return this.inTurn(promptId, async () => {
      const before = await this.getJobState(promptId);
      if (before === null || hasEnded(before)) return;
      const progress = Math.floor(Math.max(before.progress, updates.progress ?? 0));
      await this.write({ ...before, ...updates, promptId, progress });
    });
  }

  /** The stored state; `null` where there is none, or none that can be read. */
  async getJobState(promptId: string): Promise<JobState | null> {
    return readState(await this.redis.get(this.keyOf(promptId)));
  }

  /** Forgets a job; one that is not there is fine. */
  deleteJobState(promptId: string): Promise<void> {
    return this.inTurn(promptId, async () => {
      await this.redis.del(this.keyOf(promptId));
    });
  }

  /** The jobs that have not ended and are not too old. */
  async recoverActiveJobs(): Promise<JobState[]> {
    const states = await this.states();
    return states.filter((state) => !hasEnded(state) && ageOf(state) <= this.maxRecoveryAge);
  }

  /** Deletes the states of jobs older than their time to live. Resolves with how many there were. */
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

  /** Lets go of Redis. */
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

/** Of the Redis that `REDIS_URL` names, with its user and database, or else `REDIS_HOST`, `REDIS_PORT` and `REDIS_PASSWORD`. Connects when it is first asked. */
export function createComfyUIJobPersistenceService(): ComfyUIJobPersistenceService {
  const redisClient = redisOf(process.env);
  // What a command meets, its caller is told.
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

/** In seconds. */
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
