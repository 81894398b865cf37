import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { StoreUnavailable } from '../../job-store';

/** How often the file's path is checked while it is written to, ms. */
const LOOK_MS = 1_000;

/**
 * Notices that an open file was removed or replaced on disk. What this process wrote from then on would be lost with
 * the file, and another process could claim the path.
 */
export class FilePlace {
  readonly #path: string;
  readonly #file: number;
  #isSame = true;
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(path: string) {
    this.#path = path;
    this.#file = openSync(path, 'r');
  }

  /** Whether the path still leads to the open file, as checked within the last second. */
  isSame(): boolean {
    const now = performance.now();
    if (now - this.#lookedAt >= LOOK_MS) {
      this.#isSame = this.#isThere();
      this.#lookedAt = now;
    }
    return this.#isSame;
  }

  /** Throws `StoreUnavailable` if it does not. */
  assertSame(): void {
    if (this.isSame()) return;
    throw new StoreUnavailable(
      `${this.#path} was removed or replaced while in use, and nothing is stored any more: put it back, or start again`,
    );
  }

  close(): void {
    closeSync(this.#file);
  }

  #isThere(): boolean {
    const [own, there] = [fstatSync(this.#file), statSync(this.#path, { throwIfNoEntry: false })];
    return own.ino === there?.ino && own.dev === there.dev;
  }
}
