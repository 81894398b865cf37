import type { InputUpload, UploadedInput } from './api';
import type { Runs } from './posting';
import type { ComfyUIServer } from '../sources/comfyui-server';

/** Uploads files to the server asked for; else to one that answers, of those for the type where one is given. */
export const inputs =
  (servers: readonly ComfyUIServer[], posting: Pick<Runs, 'server' | 'isHealthy'>) =>
  async ({ server, type, ...file }: InputUpload): Promise<UploadedInput> => {
    const anyOf = servers.find(posting.isHealthy) ?? servers[0];
    const at = server === undefined && type === undefined && anyOf ? anyOf : posting.server(server, type ?? '');
    return { ...(await at.upload(file)), type: 'input', server: at.url };
  };
