import { harmless } from '../../sinks/harmless';

/** One line of a log. */
export type Line = (fields: Readonly<Record<string, unknown>>, words: string) => void;

/** Where the gateway tells what happens: fields, an error as `err`, then words. A pino logger is one, and `console`. */
export interface Log {
  readonly debug: Line;
  readonly info: Line;
  readonly warn: Line;
  readonly error: Line;
}

const nothing: Line = () => undefined;
/** Tells nothing. */
export const silent: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/** A logger whose own mistakes end nothing: most lines are told where nobody is left to catch what is thrown. */
export const harmlessLog = (logger: Log): Log => ({
  debug: harmless('logger.debug', (fields, words) => logger.debug(fields, words)),
  info: harmless('logger.info', (fields, words) => logger.info(fields, words)),
  warn: harmless('logger.warn', (fields, words) => logger.warn(fields, words)),
  error: harmless('logger.error', (fields, words) => logger.error(fields, words)),
});
