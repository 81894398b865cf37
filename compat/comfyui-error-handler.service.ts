import { PipelineClosed } from '../index';
import { ErrorCategory, type FallbackStrategy } from './error-category';
import { MissingFile } from './jobs/job-result';
import { podOf } from './jobs/pod-rest';
import { MOST_MS, notNegative } from './jobs/waiting-time';

/** How often a failed operation is tried again, and at which intervals. */
export interface ComfyUIErrorHandlerConfig {
  /** Attempts in all, the first included; 3 by default. */
  readonly maxRetries?: number | undefined;
  /** How long to wait before the second attempt, ms; doubles for each further one. 1,000 by default. */
  readonly backoffBase?: number | undefined;
  /** The longest wait between two attempts, ms; 16,000 by default. */
  readonly backoffMax?: number | undefined;
  /** How long `checkHealth` waits for an answer, ms; 2,000 by default. */
  readonly healthCheckTimeout?: number | undefined;
}

const NETWORK_NAMES = ['network', 'timeout', 'econnrefused', 'etimedout', 'econnreset', 'noanswer'];
const NETWORK_WORDS = ['fetch failed', 'network', 'etimedout', 'econnrefused', 'econnreset'];
const NODE_TIMEOUTS = ['node timeout', 'execution timeout'];

/** Tells errors that may pass from those that will not, and tries again after 1, 2, 4, 8, 16 s. */
export class ComfyUIErrorHandlerService {
  private readonly maxRetries: number;
  private readonly backoffBase: number;
  private readonly backoffMax: number;
  private readonly healthCheckTimeout: number;

  constructor(config: ComfyUIErrorHandlerConfig = {}) {
    this.maxRetries = notNegative('maxRetries', config.maxRetries ?? 3);
    this.backoffBase = notNegative('backoffBase', config.backoffBase ?? 1_000);
    this.backoffMax = notNegative('backoffMax', config.backoffMax ?? 16_000);
    this.healthCheckTimeout = Math.min(notNegative('healthCheckTimeout', config.healthCheckTimeout ?? 2_000), MOST_MS);
  }

  /** Whether the same request may succeed another time. */
  shouldRetry(error: Error): boolean {
    const category = this.categorizeError(error);
    return category === ErrorCategory.TRANSIENT || category === ErrorCategory.RECOVERABLE;
  }

  /** How long to wait after this attempt failed, ms; the first is 1. */
  getRetryDelay(attempt: number): number {
    return Math.round(Math.min(this.backoffBase * 2 ** (attempt - 1), this.backoffMax));
  }

  /** Whether the server answers `GET /system_stats` in time. Its URL may hold a login. */
  async checkHealth(serverUrl: string): Promise<boolean> {
    const giveUp = new AbortController();
    const timer = setTimeout(() => giveUp.abort(), this.healthCheckTimeout);
    try {
      return (await podOf(serverUrl).ask('/system_stats', giveUp.signal)).ok;
    } catch {
      return false;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The category of an error; one of an unknown kind is transient. */
  categorizeError(error: Error): ErrorCategory {
    const name = error.name.toLowerCase();
    const message = error.message.toLowerCase();
    const says = (words: readonly string[]): boolean => words.some((word) => message.includes(word));
    const status = statusIn(message);
    if (error instanceof PipelineClosed || error instanceof MissingFile) return ErrorCategory.PERMANENT;
    if (NETWORK_NAMES.some((word) => name.includes(word)) || says(NETWORK_WORDS)) return ErrorCategory.TRANSIENT;
    // Before the status: a message about a workflow may hold the number of a node, say, that looks like one.
    if (message.includes('workflow') && says(['invalid', 'validation'])) return ErrorCategory.FATAL;
    if (status !== undefined) return isPassing(status) ? ErrorCategory.TRANSIENT : ErrorCategory.PERMANENT;
    if (says(NODE_TIMEOUTS)) return ErrorCategory.RECOVERABLE;
    return message.includes('validation') ? ErrorCategory.PERMANENT : ErrorCategory.TRANSIENT;
  }

  /** What else the caller may do; `null` for nothing. */
  getFallbackStrategy(error: Error): FallbackStrategy | null {
    const message = error.message.toLowerCase();
    if (/\bws\b|websocket/.test(message)) return { method: 'websocket_to_rest', reason: 'WebSocket connection failed' };
    if (/model|checkpoint/.test(message))
      return { method: 'primary_to_secondary', reason: 'Primary model unavailable' };
    if (/workflow|node/.test(message)) return { method: 'optimized_to_simple', reason: 'Optimized workflow failed' };
    return null;
  }

  /**
   * Resolves as the operation does. After an error that may pass it tries again, each time only if the server answers
   * `checkHealth`. Rejects with the operation's last error.
   */
  async executeWithRetry<T>(
    operation: () => Promise<T>,
    serverUrl: string,
    onRetry?: (attempt: number, error: Error) => void,
  ): Promise<T> {
    for (let attempt = 1, last: Error | undefined; ; attempt++) {
      if (last === undefined || (await this.checkHealth(serverUrl)))
        try {
          return await operation();
        } catch (error) {
          last = error instanceof Error ? error : new Error(String(error));
        }
      if (attempt >= this.maxRetries || !this.shouldRetry(last)) throw last;
      onRetry?.(attempt, last);
      const delay = this.getRetryDelay(attempt);
      await new Promise((resolve) => setTimeout(resolve, delay));
    }
  }
}

/** An HTTP status that stands in a message by itself. */
function statusIn(message: string): number | undefined {
  const found = /(?<![\w.])([45]\d\d)(?![\w.])/.exec(message)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** A server's error, a time-out and "too many requests" may pass. */
const isPassing = (status: number): boolean => status >= 500 || status === 408 || status === 425 || status === 429;
