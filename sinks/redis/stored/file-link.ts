import { defer, EMPTY, throwError, type Observable } from 'rxjs';
import { StoreUnavailable } from '../../job-store';
import type { RedisCommands, RedisNodes } from '../connection/topology';

/** A connection for files, opened for the first one: on the connection for commands, leases would wait behind them. */
export interface FileLink {
  /**
   * Runs a command that sends or fetches this many bytes, within a time that grows with them. Errors with
   * `StoreUnavailable`.
   */
  readonly ask: <T>(bytes: number, command: (redis: RedisCommands) => Promise<T>) => Observable<T>;
  /** Waits until each command under way has an answer or an error, closes the connection and completes. */
  readonly close: () => Observable<never>;
}

/** How long a MiB may take, ms: a link of 8 Mbit/s. */
const MS_PER_MIB = 1_000;

/** `leastMs` is the time of a command without bytes. */
export function fileLink(open: () => RedisNodes, leastMs: number): FileLink {
  let nodes: RedisNodes | undefined;
  let isClosed = false;
  /** Bytes of all commands under way: each waits behind the others. */
  let underWay = 0;

  const answered = <T>({ startOver }: RedisNodes, bytes: number, command: () => Promise<T>): Promise<T> => {
    underWay += bytes;
    const mostMs = leastMs + (underWay / 2 ** 20) * MS_PER_MIB;
    return within(command(), mostMs, startOver).finally(() => (underWay -= bytes));
  };
  return {
    ask: (bytes, command) =>
      defer(() => {
        if (isClosed) return throwError(() => new StoreUnavailable('Redis: closed'));
        const opened = (nodes ??= open());
        return opened.ask(() => answered(opened, bytes, () => command(opened.redis)));
      }),
    close: () =>
      defer(() => {
        isClosed = true;
        return nodes?.close() ?? EMPTY;
      }),
  };
}

/**
 * Rejects after `mostMs`, and drops the connection: else a late upload would go on, hold up the next command, and be
 * sent again beside itself by the next attempt.
 */
function within<T>(answer: Promise<T>, mostMs: number, startOver: () => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      reject(new Error('Command timed out'));
      startOver();
    }, mostMs);
    void answer.then(resolve, reject).finally(() => clearTimeout(late));
  });
}
