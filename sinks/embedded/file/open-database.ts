import { chmodSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { StoreUnavailable } from '../../job-store';
import { assertLmdb } from './lmdb-header';
import { messageOf } from '../../../streams/workflow/shown-text';

/** The file's path in its directory. */
export const pathIn = (directory: string): string => join(directory, 'jobs.lmdb');

/**
 * Opens the file, or makes it, readable by its owner only: prompts, pictures and keys are in it. Throws
 * `StoreUnavailable`.
 */
export function openDatabase(directory: string): RootDatabase<string, string> {
  const path = pathIn(directory);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const lock = `${path}-lock`;
    closeSync(openSync(lock, 'a', 0o600));
    if (!statSync(lock).isFile()) throw new Error(`${lock} is no regular file`);
    assertLmdb(path);
    for (const own of [path, lock]) chmodSync(own, 0o600);
    return open<string, string>({
      path,
      noSubdir: true,
      encoding: 'string',
      useVersions: true,
      // Batching by event turn makes a promise that nobody handles: a full disk would end the process (lmdb 3.5.6).
      eventTurnBatching: false,
    });
  } catch (cause) {
    throw new StoreUnavailable(`the job store in ${directory} cannot be opened: ${messageOf(cause)}`, { cause });
  }
}
