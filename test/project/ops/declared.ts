import { readFileSync } from 'node:fs';

/** The environment variables that the gateway reads. */
export const settings = [
  ...readFileSync('gateway/cli/settings/settings.ts', 'utf8').matchAll(/^ {2}([A-Z][A-Z_]+): /gm),
].map(([, name = '']) => name);

/** Whether the gateway reads an environment variable of that name. */
export const isSetting = (name: string): boolean => settings.includes(name);
