import { defer, EMPTY, throwError, type Observable } from 'rxjs';
import { StoreUnavailable } from '../../job-store';
import type { RedisCommands, RedisNodes } from '../connection/topology';

/** A connection for what is large, opened when the first of it comes: on the one for all else, leases would wait behind it. */
export interface FileLink {
  /** Has a command answered that sends or fetches so many bytes, within a time that grows with them. Errors with `StoreUnavailable`. */
  readonly ask: <T>(bytes: number, command: (redis: RedisCommands) => Promise<T>) => Observable<T>;
  /** Completes when what was asked is answered, as far as it is at all, and the connection is gone. */
  readonly close: () => Observable<never>;
}

/** How long a MiB may take: a link of 8 Mbit/s. */
const MS_PER_MIB = 1_000;

/** `leastMs` is for what is small. */
export function fileLink(open: () => RedisNodes, leastMs: number): FileLink {
  let nodes: RedisNodes | undefined;
  let isClosed = false;
  /** Bytes of all that is under way: one waits behind the others. */
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

/** What is late is not sent to its end: it would hold up what comes next, and be sent again beside itself. */
function within<T>(answer: Promise<T>, mostMs: number, startOver: () => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      reject(new Error('Command timed out'));
      startOver();
    }, mostMs);
    void answer.then(resolve, reject).finally(() => clearTimeout(late));
  });
}
