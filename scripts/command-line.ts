import { parseArgs, type ParseArgsConfig } from 'node:util';

type Options = NonNullable<ParseArgsConfig['options']>;

/** An option of a script. */
export const FLAG = { type: 'boolean' } as const;
export const VALUE = { type: 'string' } as const;
/** One that may come often. */
export const VALUES = { type: 'string', multiple: true } as const;

/** What the arguments of a script say. */
export interface CommandLine {
  flag(name: string): boolean;
  value(name: string): string | undefined;
  values(name: string): readonly string[];
  number(name: string, otherwise: number): number;
  /** What is no option. */
  readonly others: readonly string[];
}

/**
 * Reads the arguments of this process. `--help` prints the usage and ends the process with 0; an argument that the script
 * does not have is named with the usage on standard error, and so is a number that is none: they end it with 2. Where
 * nobody reads what it prints any more, as after `| head`, it ends with 0.
 */
export function commandLine(usage: string, options: Options, takes: 'others' | 'options' = 'options'): CommandLine {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
  const { values: given, positionals } = read(usage, options, takes === 'others');
  if (given['help'] === true) {
    console.log(usage);
    process.exit(0);
  }
  const values = (name: string): readonly string[] => [given[name] ?? []].flat().map(String);
  const value = (name: string): string | undefined => values(name)[0];
  return {
    values,
    value,
    flag: (name) => given[name] === true,
    number: (name, otherwise) => {
      const text = value(name) ?? String(otherwise);
      return /^\d+(\.\d+)?$/.test(text) ? Number(text) : wrong(usage, `--${name} must be a number, not ${text}`);
    },
    others: positionals,
  };
}

/** Says what is wrong with the arguments, and how they are given; ends the process with 2. */
export function wrong(usage: string, ...reason: readonly string[]): never {
  console.error([...reason, usage].join('\n'));
  process.exit(2);
}

interface Read {
  readonly values: Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;
  readonly positionals: readonly string[];
}

function read(usage: string, options: Options, allowPositionals: boolean): Read {
  try {
    return parseArgs({ options: { ...options, help: { ...FLAG, short: 'h' } }, allowPositionals });
  } catch (error) {
    // Node's own words name the argument; what follows its first sentence is about positionals.
    return wrong(usage, ...(error as Error).message.split('. ').slice(0, 1));
  }
}
