/** What an error says of another try. */
export enum ErrorCategory {
  /** The network, a time-out, a server's 5xx: may be well the next time. */
  TRANSIENT = 'transient',
  /** A 4xx: the same request fails again. */
  PERMANENT = 'permanent',
  /** A node took too long: may be tried again. */
  RECOVERABLE = 'recoverable',
  /** The workflow itself is wrong. */
  FATAL = 'fatal',
}

/** Where a series of tries stands. */
export interface RetryState {
  attempt: number;
  maxAttempts: number;
  lastError: Error;
  /** In ms since 1970. */
  nextRetryAt: number;
}

/** What else can be done about an error. */
export interface FallbackStrategy {
  method: 'websocket_to_rest' | 'primary_to_secondary' | 'optimized_to_simple';
  reason: string;
}
