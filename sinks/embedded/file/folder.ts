import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The folder of a store's file. */
export interface Folder {
  readonly path: string;
  /** Whether its name goes as soon as the file is open. */
  readonly isTemporary: boolean;
  /** The file is open. */
  readonly opened: () => void;
  /** The file is closed. */
  readonly closed: () => void;
}

const noop = (): void => undefined;

export const lastingFolder = (path: string): Folder => ({ path, isTemporary: false, opened: noop, closed: noop });

/**
 * A new one, for what ends with its process: an open file is used on after its name is gone, so that a process that is killed
 * leaves nothing behind. Where a system removes nothing that is open, it goes once the file is closed.
 */
export function temporaryFolder(): Folder {
  const path = mkdtempSync(join(tmpdir(), 'comfyui-jobstream-'));
  const removed = (): void => {
    try {
      rmSync(path, { recursive: true, force: true });
    } catch {
      // Some systems keep what is open.
    }
  };
  return { path, isTemporary: true, opened: removed, closed: removed };
}
