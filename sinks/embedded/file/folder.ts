import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { noop } from 'rxjs';

/** The folder of a store's file. */
export interface Folder {
  readonly path: string;
  /** Whether the folder is removed as soon as the file is open. */
  readonly isTemporary: boolean;
  /** Call when the file is open. */
  readonly opened: () => void;
  /** Call when the file is closed. */
  readonly closed: () => void;
}

export const lastingFolder = (path: string): Folder => ({ path, isTemporary: false, opened: noop, closed: noop });

/**
 * A new folder for a file that ends with its process. It is removed as soon as the file is open, which can be used on
 * without a name: so a killed process leaves nothing behind. A system that cannot remove open files removes it once the
 * file is closed.
 */
export function temporaryFolder(): Folder {
  const path = mkdtempSync(join(tmpdir(), 'comfyui-jobstream-'));
  const removed = (): void => {
    try {
      rmSync(path, { recursive: true, force: true });
    } catch {
      // Some systems cannot remove an open file: `closed` tries again.
    }
  };
  return { path, isTemporary: true, opened: removed, closed: removed };
}
