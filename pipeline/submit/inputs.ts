import type { InputUpload, UploadedInput } from '../api';
import type { Choice } from '../posting/choose-server';

/** Uploads files to the server asked for; else to one that answers, of those for the type where one is given. */
export const inputs =
  (choice: Choice) =>
  async ({ server, type, ...file }: InputUpload): Promise<UploadedInput> => {
    const anyOf = choice.servers.find(choice.isHealthy) ?? choice.servers[0];
    const at = server === undefined && type === undefined && anyOf ? anyOf : choice.asked(server, type ?? '');
    return { ...(await at.upload(file)), type: 'input', server: at.url };
  };
