import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A script for ioredis, of these `.lua` files in this order: the later use what the first define. */
export const lua = (numberOfKeys: number, ...names: readonly string[]) => ({
  lua: names.map((name) => readFileSync(join(__dirname, `${name}.lua`), 'utf8')).join('\n'),
  numberOfKeys,
});

/** A script, by its keys and then its arguments. */
export type Script<Answer> = (...keysAndArgs: readonly (string | number | Buffer)[]) => Promise<Answer>;
