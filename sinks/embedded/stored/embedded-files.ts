import { defer, ignoreElements, of, type SchedulerLike } from 'rxjs';
import { bounds } from '../../../streams/bounds';
import {
  assertStorable,
  assertStorableFile,
  isStorable,
  jobKey,
  STATE_TTL_S,
  Unstorable,
  type JobStore,
} from '../../job-store';
import { dueLater } from '../file/expiry';
import type { LmdbFile, Txn } from '../file/lmdb-file';
import { digest } from '../listing/embedded-index';

/** A job's files: bytes of each, by the digest of its name. */
type Sizes = Readonly<Record<string, number>>;

/** Prefix of the keys of these lists, one per job. */
export const FILES_PREFIX = 'files:';
const listKey = (promptId: string): string => `${FILES_PREFIX}${promptId}`;
const fileKey = (promptId: string, name: string): string => `file:${name}:${promptId}`;

const sizesIn = (txn: Pick<Txn, 'read'>, promptId: string): Sizes =>
  JSON.parse(txn.read(listKey(promptId))?.text ?? '{}') as Sizes;

/** Removes all files of a job. */
export function removeFiles(txn: Txn, promptId: string): void {
  for (const name of Object.keys(sizesIn(txn, promptId))) txn.remove(fileKey(promptId, name));
  txn.remove(listKey(promptId));
}

/** Files of jobs, as base64. They live as long as the job's state and are removed with it. */
export function embeddedFiles(file: LmdbFile, clock: SchedulerLike): Pick<JobStore, 'keepFile' | 'file'> {
  const isAlive = (promptId: string): boolean =>
    isStorable(promptId) && (file.read(jobKey(promptId))?.until ?? 0) > clock.now();
  return {
    keepFile: (promptId, name, { mimeType, bytes }) =>
      defer(() => {
        assertStorable(promptId);
        assertStorableFile(name, { mimeType, bytes });
        return file.transact((txn) => {
          const named = digest(name);
          const sizes: Sizes = { ...sizesIn(txn, promptId), [named]: bytes.length };
          const total = Object.values(sizes).reduce((sum, size) => sum + size, 0);
          if (Object.keys(sizes).length > bounds.files || total > bounds.filesBytes)
            throw new Unstorable(`no more than ${bounds.files} files and ${bounds.filesBytes} bytes of a job are kept`);
          const until = clock.now() + STATE_TTL_S * 1000;
          const text = `${JSON.stringify(mimeType)}\n${Buffer.from(bytes).toString('base64')}`;
          txn.write({ key: fileKey(promptId, named), text, until });
          if (txn.read(listKey(promptId)) === undefined) dueLater(txn, listKey(promptId), until);
          txn.write({ key: listKey(promptId), text: JSON.stringify(sizes), until });
        });
      }).pipe(ignoreElements()),

    file: (promptId, name) =>
      defer(() => {
        const entry = isAlive(promptId) ? file.read(fileKey(promptId, digest(name))) : undefined;
        if (entry === undefined) return of(undefined);
        const end = entry.text.indexOf('\n');
        return of({
          mimeType: JSON.parse(entry.text.slice(0, end)) as string,
          bytes: Buffer.from(entry.text.slice(end + 1), 'base64'),
        });
      }),
  };
}
