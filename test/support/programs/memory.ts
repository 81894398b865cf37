import { accessSync, constants, existsSync, mkdirSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where Linux has files in memory. */
const MEMORY = '/dev/shm';
const NAME = 'jobstream-tests-';
/** Ten times what a run has in files at a time. A container may have 64 MB. */
const LEAST_BYTES = 256 * 1024 * 1024;

/**
 * Keeps the temporary files of this process, and of those it starts, in memory, where there is room: a store's commit waits
 * for the disk, up to 7 ms, and a run makes tens of thousands. They go with this process.
 */
export function filesInMemory(): void {
  if (process.env['TMPDIR']?.includes(NAME)) return;
  const folder = folderIn(MEMORY, LEAST_BYTES);
  if (folder === undefined) return;
  process.env['TMPDIR'] = folder;
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
}

/** A folder of this process, where a file system has so much room and lets programs run; those of processes that are gone are removed. */
export function folderIn(root: string, leastBytes: number): string | undefined {
  if (!existsSync(root)) return undefined;
  for (const name of readdirSync(root).filter((each) => each.startsWith(NAME)))
    if (!isAlive(Number(name.slice(NAME.length)))) rmSync(join(root, name), { recursive: true, force: true });
  const { bavail, bsize } = statfsSync(root);
  if (bavail * bsize < leastBytes) return undefined;
  const folder = join(root, `${NAME}${process.pid}`);
  const program = join(folder, 'program');
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(program, '', { mode: 0o700 });
    // Some are mounted `noexec`.
    accessSync(program, constants.X_OK);
    return folder;
  } catch {
    rmSync(folder, { recursive: true, force: true });
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It is someone else's.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
