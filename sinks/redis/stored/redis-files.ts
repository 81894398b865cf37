import { defer, ignoreElements, map, mergeMap, tap, type Observable } from 'rxjs';
import { bounds } from '../../../streams/bounds';
import { assertStorableFile, jobKey, STATE_TTL_S, Unstorable, type JobStore } from '../../job-store';
import { keyBeside } from '../connection/key-slot';
import type { WholeKeys } from '../connection/whole-keys';
import type { RedisCommands } from '../connection/topology';
import type { FileLink } from './file-link';

/**
 * The key of a job's files, in the slot of its state and renewed with it: a hash of `m<name>`, the MIME type, and
 * `b<name>`, the bytes.
 */
export const filesKey = (promptId: string): string => keyBeside(jobKey(promptId), 'files');

type Command<T> = (redis: RedisCommands, key: string) => Promise<T>;

export function redisFiles({ ask }: FileLink, keys: WholeKeys): Pick<JobStore, 'keepFile' | 'file'> {
  const ofFiles = <T>(promptId: string, bytes: number, command: Command<T>): Observable<T> => {
    const key = filesKey(promptId);
    return keys.whole(
      [[key, 'hash']],
      ask(bytes, (redis) => command(redis, key)),
    );
  };
  return {
    keepFile: (promptId, name, file) =>
      defer(() => {
        assertStorableFile(name, file);
        const bytes = Buffer.from(file.bytes.buffer, file.bytes.byteOffset, file.bytes.byteLength);
        const args = [name, file.mimeType, bytes, bounds.filesBytes, bounds.files, STATE_TTL_S];
        return ofFiles(promptId, bytes.length, (redis, key) => redis.keepFile(key, jobKey(promptId), ...args));
      }).pipe(
        tap((kept) => {
          if (kept !== 1)
            throw new Unstorable(`no more than ${bounds.files} files and ${bounds.filesBytes} bytes of a job are kept`);
        }),
        ignoreElements(),
      ),

    // Asks for the number of bytes first, by which the time is bounded.
    file: (promptId, name) =>
      ofFiles(promptId, 0, (redis, key) => redis.hstrlen(key, `b${name}`)).pipe(
        mergeMap((bytes) => ofFiles(promptId, bytes, (redis, key) => redis.hmgetBuffer(key, `m${name}`, `b${name}`))),
        map(([mimeType, bytes]) => (mimeType && bytes ? { mimeType: mimeType.toString(), bytes } : undefined)),
      ),
  };
}
