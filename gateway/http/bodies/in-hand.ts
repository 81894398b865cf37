import { Problem } from '../../wire/problem';

/** One body's share of the bytes that an instance may have in hand. */
export interface Hold {
  /**
   * Adds bytes to the share. Throws a `busy` `Problem` if all bodies together would then have more than `mostBytes`.
   */
  readonly take: (bytes: number) => void;
  readonly release: () => void;
}

/** Limits to `mostBytes` the bytes of all callers' bodies that are read and not checked yet. */
export function bytesInHand(mostBytes: number): () => Hold {
  let held = 0;
  return () => {
    let own = 0;
    return {
      take: (bytes) => {
        if (held + bytes > mostBytes) {
          const detail = `Of all callers, ${mostBytes} bytes of bodies are read at a time.`;
          throw new Problem('busy', { detail }, { 'Retry-After': '2' });
        }
        held += bytes;
        own += bytes;
      },
      release: () => {
        held -= own;
        own = 0;
      },
    };
  };
}
