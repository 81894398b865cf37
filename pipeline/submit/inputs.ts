import type { InputUpload, UploadedInput } from '../api';
import type { Choice } from '../posting/choose-server';

/** Uploads a file to the server of that name or URL; else to the preferred one for `type`, or any healthy one. */
export const inputs =
  (choice: Choice) =>
  async ({ server, type, ...file }: InputUpload): Promise<UploadedInput> => {
    const anyOf = choice.servers.find(choice.isHealthy) ?? choice.servers[0];
    const at = server === undefined && type === undefined && anyOf ? anyOf : choice.asked(server, type ?? '');
    return { ...(await at.upload(file)), type: 'input', server: at.url };
  };
