import { spawn } from 'node:child_process';
import type { Logger } from 'pino';

/** Everything is closed within 10 s of the first signal, or left. */
const PATIENCE_MS = 9_500;

/** How long a process that leaves may take, in seconds; then it is ended from outside. Nothing is lost by waiting once it is drained. */
const TO_EXIT_S = 0.5;
const DRAINED_TO_EXIT_S = 8;

/**
 * Ends the process: within a second whatever it is at; a clean end may take eight, on a machine that is busy.
 * `process.exit` waits for libuv's threads, and one that writes an LMDB transaction waits for a callback that does not come
 * any more: 3 of 6 exits never ended. So a shell that outlives us sends SIGKILL; where there is no shell, we send it
 * ourselves. A container's first process is deaf to that signal, so it breaks off where its end cannot be clean. Logs must
 * be written synchronously.
 */
export function leave(code: number): never {
  if (process.pid === 1 && code !== 0) process.abort();
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
}

/** A bug of ours ends the process, be it thrown or a promise that nobody held, with a last line in the log. */
export function crashLoudly(logger: Logger): void {
  process.on('uncaughtException', (error) => {
    logger.fatal({ err: error }, 'a bug');
    leave(1);
  });
}
