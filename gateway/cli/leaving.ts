import { spawn } from 'node:child_process';
import type { Logger } from 'pino';

/** If draining takes longer, the process leaves undrained: within 10 s of the first signal in any case. */
const PATIENCE_MS = 9_500;

/** Seconds until an exiting process is killed; a drained one may take longer, because nothing is lost by waiting. */
const TO_EXIT_S = 0.5;
const DRAINED_TO_EXIT_S = 8;

/**
 * Ends the process, within 0.5 s, or 8 s with code 0. `process.exit` waits for libuv's threads, and one that writes an
 * LMDB transaction waits for a callback that comes no more: 3 of 6 exits never ended. So a shell, which outlives the
 * process, sends SIGKILL; without a shell the process sends it to itself. Process 1 of a container ignores that signal,
 * so with a code other than 0 it becomes another program, which has no such threads and exits with that code; before
 * Node 22.15 it aborts, with 134 or 139. Logs must be written synchronously.
 */
export function leave(code: number): never {
  if (process.pid === 1 && code !== 0) {
    const node = process.execPath;
    (process as Replaceable).execve?.(node, [node, '--eval', `process.exit(${code})`], {});
    process.abort();
  }
  const guard = spawn(
    '/bin/sh',
    ['-c', `sleep ${code === 0 ? DRAINED_TO_EXIT_S : TO_EXIT_S}; kill -9 ${process.pid}`],
    {
      detached: true,
      stdio: 'ignore',
    },
  );
  guard.once('error', () => undefined);
  guard.unref();
  if (guard.pid === undefined) process.kill(process.pid, 'SIGKILL');
  process.exit(code);
}

/** Of Node from 22.15 on. Does not return: it aborts where the program cannot be run. */
interface Replaceable {
  readonly execve?: (file: string, args: readonly string[], env: Readonly<Record<string, string>>) => never;
}

/** For a signal that comes before there is anything to drain; the code is a shell's, of who died of that signal. */
export const leaveAtOnce = (_signal: NodeJS.Signals, number: number): never => leave(128 + number);

/** Drains on the first SIGTERM or SIGINT and exits with 0; leaves at once on the second. */
export function onSignal(logger: Logger, drain: () => Promise<void>): void {
  let draining = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (draining) leave(1);
    draining = true;
    logger.info({ signal }, 'draining');
    setTimeout(() => {
      logger.error('still not drained, leaving');
      leave(1);
    }, PATIENCE_MS).unref();
    drain().then(
      () => {
        logger.info('drained');
        leave(0);
      },
      (error: unknown) => {
        logger.error({ err: error }, 'could not drain');
        leave(1);
      },
    );
  };
  process.on('SIGTERM', stop).on('SIGINT', stop);
  // Only then: process 1 is to listen all the while.
  process.off('SIGTERM', leaveAtOnce).off('SIGINT', leaveAtOnce);
}

/** Logs an uncaught exception or unhandled rejection, a bug of ours, and ends the process. */
export function crashLoudly(logger: Logger): void {
  process.on('uncaughtException', (error) => {
    logger.fatal({ err: error }, 'a bug');
    leave(1);
  });
}
