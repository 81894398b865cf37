import { harmless } from '../../sinks/harmless';

/** Writes one line of a log: fields, then a message. */
export type Line = (fields: Readonly<Record<string, unknown>>, words: string) => void;

/** The gateway's logger. An error is the field `err`. A pino logger is one, and so is `console`. */
export interface Log {
  readonly debug: Line;
  readonly info: Line;
  readonly warn: Line;
  readonly error: Line;
}

const nothing: Line = () => undefined;
/** Logs nothing. */
export const silent: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/**
 * A logger that never throws: an error of the application's own is a warning of Node's, once. Most calls have no catch.
 */
export const harmlessLog = (logger: Log): Log => ({
  debug: harmless('logger.debug', (fields, words) => logger.debug(fields, words)),
  info: harmless('logger.info', (fields, words) => logger.info(fields, words)),
  warn: harmless('logger.warn', (fields, words) => logger.warn(fields, words)),
  error: harmless('logger.error', (fields, words) => logger.error(fields, words)),
});
