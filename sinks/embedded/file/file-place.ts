import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { StoreUnavailable } from '../../job-store';

/** The file's place is looked at so often while it is written to, ms. */
const LOOK_MS = 1_000;

/**
 * Notices that a file is removed, or another put in its place, under a process that has it open: what that goes on to write goes
 * with it, and another process takes the place for free.
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

  /** Whether the file is where it was, as it was seen last. */
  isSame(): boolean {
    const now = performance.now();
    if (now - this.#lookedAt >= LOOK_MS) {
      this.#isSame = this.#isThere();
      this.#lookedAt = now;
    }
    return this.#isSame;
  }

  /** Throws `StoreUnavailable` while it is not. */
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
