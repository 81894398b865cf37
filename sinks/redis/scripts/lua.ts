import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A script as ioredis wants it, from the `.lua` files beside this one, in their order: what the first define, the later use. */
export const lua = (numberOfKeys: number, ...names: readonly string[]) => ({
  lua: names.map((name) => readFileSync(join(__dirname, `${name}.lua`), 'utf8')).join('\n'),
  numberOfKeys,
});

/** A script, by its keys and then its arguments. */
export type Script<Answer> = (...keysAndArgs: readonly (string | number | Buffer)[]) => Promise<Answer>;
