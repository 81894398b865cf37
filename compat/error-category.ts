/** What an error says about another attempt. */
export enum ErrorCategory {
  /** The network, a time-out, a server's 5xx: another attempt may succeed. */
  TRANSIENT = 'transient',
  /** A 4xx: the same request fails again. */
  PERMANENT = 'permanent',
  /** A node took too long: another attempt may succeed. */
  RECOVERABLE = 'recoverable',
  /** The workflow itself is wrong. */
  FATAL = 'fatal',
}

/** Where a series of attempts stands. */
export interface RetryState {
  attempt: number;
  maxAttempts: number;
  lastError: Error;
  /** In ms since 1970. */
  nextRetryAt: number;
}

/** What else the caller can do after an error. */
export interface FallbackStrategy {
  method: 'websocket_to_rest' | 'primary_to_secondary' | 'optimized_to_simple';
  reason: string;
}
