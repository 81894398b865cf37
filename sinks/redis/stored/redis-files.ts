import { defer, ignoreElements, map, tap, type Observable } from 'rxjs';
import { bounds } from '../../../streams/bounds';
import { assertStorableFile, jobKey, STATE_TTL_S, Unstorable, type JobStore } from '../../job-store';
import { keyBeside } from '../connection/key-slot';
import type { JobScripts } from '../scripts/jobs';

/** The files of a job, in the slot of its state, and renewed with it: a hash of `m<name>`, the type, and `b<name>`, the bytes. */
export const filesKey = (promptId: string): string => keyBeside(jobKey(promptId), 'files');

type FileCommands = Pick<JobScripts, 'keepFile'> & {
  hmgetBuffer(key: string, ...fields: string[]): Promise<(Buffer | null)[]>;
};

export function redisFiles(
  redis: FileCommands,
  ask: <T>(command: () => Promise<T>) => Observable<T>,
): Pick<JobStore, 'keepFile' | 'file'> {
  return {
    keepFile: (promptId, name, file) =>
      defer(() => {
        assertStorableFile(name, file);
        const bytes = Buffer.from(file.bytes.buffer, file.bytes.byteOffset, file.bytes.byteLength);
        const args = [name, file.mimeType, bytes, bounds.filesBytes, bounds.files, STATE_TTL_S];
        return ask(() => redis.keepFile(filesKey(promptId), jobKey(promptId), ...args));
      }).pipe(
        tap((kept) => {
          if (kept !== 1)
            throw new Unstorable(`no more than ${bounds.files} files and ${bounds.filesBytes} bytes of a job are kept`);
        }),
        ignoreElements(),
      ),

    file: (promptId, name) =>
      ask(() => redis.hmgetBuffer(filesKey(promptId), `m${name}`, `b${name}`)).pipe(
        map(([mimeType, bytes]) => (mimeType && bytes ? { mimeType: mimeType.toString(), bytes } : undefined)),
      ),
  };
}
