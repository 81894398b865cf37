import { defer, ignoreElements, map, tap, type Observable } from 'rxjs';
import { bounds } from '../../../streams/bounds';
import type { Report } from '../../../streams/operators/reporting';
import { assertStorableFile, jobKey, STATE_TTL_S, Unstorable, type JobStore } from '../../job-store';
import { keyBeside } from '../connection/key-slot';
import { WholeKeys } from '../connection/whole-keys';
import type { JobScripts } from '../scripts/jobs';

/** The files of a job, in the slot of its state, and renewed with it: a hash of `m<name>`, the type, and `b<name>`, the bytes. */
export const filesKey = (promptId: string): string => keyBeside(jobKey(promptId), 'files');

type FileCommands = Pick<JobScripts, 'keepFile' | 'dropForeign'> & {
  hmgetBuffer(key: string, ...fields: string[]): Promise<(Buffer | null)[]>;
};

export function redisFiles(
  redis: FileCommands,
  ask: <T>(command: () => Promise<T>) => Observable<T>,
  report: Report,
): Pick<JobStore, 'keepFile' | 'file'> {
  const keys = new WholeKeys(redis, ask, 'file', report);
  const ofFiles = <T>(promptId: string, command: (key: string) => Promise<T>): Observable<T> =>
    keys.run([[filesKey(promptId), 'hash']], () => command(filesKey(promptId)));
  return {
    keepFile: (promptId, name, file) =>
      defer(() => {
        assertStorableFile(name, file);
        const bytes = Buffer.from(file.bytes.buffer, file.bytes.byteOffset, file.bytes.byteLength);
        const args = [name, file.mimeType, bytes, bounds.filesBytes, bounds.files, STATE_TTL_S];
        return ofFiles(promptId, (key) => redis.keepFile(key, jobKey(promptId), ...args));
      }).pipe(
        tap((kept) => {
          if (kept !== 1)
            throw new Unstorable(`no more than ${bounds.files} files and ${bounds.filesBytes} bytes of a job are kept`);
        }),
        ignoreElements(),
      ),

    file: (promptId, name) =>
      ofFiles(promptId, (key) => redis.hmgetBuffer(key, `m${name}`, `b${name}`)).pipe(
        map(([mimeType, bytes]) => (mimeType && bytes ? { mimeType: mimeType.toString(), bytes } : undefined)),
      ),
  };
}
