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
export const silent: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };
