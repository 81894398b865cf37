import { parseArgs } from 'node:util';

/** A parsed command line; `wrong` says why it could not be parsed. */
export type Command =
  | { readonly tag: 'serve' }
  | { readonly tag: 'token'; readonly user?: string; readonly service: boolean; readonly hours: number }
  | { readonly tag: 'help' }
  | { readonly tag: 'version' }
  | { readonly tag: 'wrong'; readonly reason: string };

export const HELP = `comfyui-jobstream: live, durable progress of ComfyUI jobs

Usage
  comfyui-jobstream                    serves; settings come from the environment
  comfyui-jobstream token --user ada   prints a token for a user, signed with JWT_SECRET
  comfyui-jobstream token --service    prints one for a service, which sees all jobs

Options of token
  --user NAME      whose token it is; with --service, what the service is called
  --service        may see and do everything
  --hours N        how long it is good; 8 by default

Options
  -h, --help       prints this
  -v, --version    prints the version

COMFYUI_URL is the one setting that serving needs, for instance
  COMFYUI_URL=http://127.0.0.1:8188 comfyui-jobstream
All others: https://www.npmjs.com/package/comfyui-jobstream
`;

const DEFAULT_HOURS = 8;

/** Parses the command line. An unknown command or option is `wrong`, by its name. */
export function commandOf(args: readonly string[]): Command {
  const read = attempt(() =>
    parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'v' },
        user: { type: 'string' },
        service: { type: 'boolean' },
        hours: { type: 'string' },
      },
    }),
  );
  if (typeof read === 'string') return { tag: 'wrong', reason: read };
  const { values, positionals } = read;
  const [command, ...others] = positionals;
  if (values.help === true || command === 'help') return { tag: 'help' };
  if (values.version === true) return { tag: 'version' };
  if (others.length > 0 || (command !== undefined && command !== 'token'))
    return { tag: 'wrong', reason: `there is no command ${JSON.stringify(others[0] ?? command)}` };
  const { user, service = false, hours } = values;
  if (command === undefined) {
    const stray = Object.entries({ user, service: values.service, hours }).find(([, value]) => value !== undefined);
    return stray === undefined
      ? { tag: 'serve' }
      : { tag: 'wrong', reason: `--${stray[0]} belongs to the command token` };
  }
  if (user === undefined && !service) return { tag: 'wrong', reason: 'token needs --user NAME, or --service' };
  if (user === '') return { tag: 'wrong', reason: '--user must be a name' };
  if (hours !== undefined && !/^\d{1,6}(\.\d{1,3})?$/.test(hours))
    return { tag: 'wrong', reason: '--hours must be a number' };
  const wanted = Number(hours ?? DEFAULT_HOURS);
  return wanted > 0
    ? { tag: 'token', service, hours: wanted, ...(user !== undefined && { user }) }
    : { tag: 'wrong', reason: '--hours must be more than 0' };
}

const attempt = <T>(work: () => T): T | string => {
  try {
    return work();
  } catch (error) {
    // Node's first sentence names the bad argument; the others explain positionals.
    return (error as Error).message.split('. ')[0] ?? '';
  }
};
