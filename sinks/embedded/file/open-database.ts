import { chmodSync, closeSync, mkdirSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { StoreUnavailable } from '../../job-store';

/** How an LMDB file begins, after a page header of 24 bytes. */
const MAGIC = 0xbeefc0de;
const MAGIC_AT = 24;

/** Opens or makes the file, which only its owner may read: prompts, pictures and keys are in it. Throws `StoreUnavailable`. */
export function openDatabase(directory: string): RootDatabase<string, string> {
  const path = join(directory, 'jobs.lmdb');
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    assertLmdb(path);
    for (const own of [path, `${path}-lock`]) {
      closeSync(openSync(own, 'a', 0o600));
      chmodSync(own, 0o600);
    }
    return open<string, string>({
      path,
      noSubdir: true,
      encoding: 'string',
      useVersions: true,
      // Batching by event turn leaves a promise that nobody holds: a full disk would end the process (lmdb 3.5.6).
      eventTurnBatching: false,
    });
  } catch (cause) {
    throw new StoreUnavailable(`the job store in ${directory} cannot be opened: ${messageOf(cause)}`, { cause });
  }
}

/** LMDB believes a file without looking: opening one that is not its own was a segmentation fault. */
function assertLmdb(path: string): void {
  const file = openSync(path, 'a+', 0o600);
  try {
    const head = Buffer.alloc(MAGIC_AT + 4);
    const length = readSync(file, head, 0, head.length, 0);
    if (length > 0 && (length < head.length || head.readUInt32LE(MAGIC_AT) !== MAGIC)) {
      throw new Error(`${path} is not an LMDB file; move it away to start with an empty store`);
    }
  } finally {
    closeSync(file);
  }
}

/** What went wrong, in words. */
export const messageOf = (cause: unknown): string => (cause as Partial<Error>).message ?? String(cause);
