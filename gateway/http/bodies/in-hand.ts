import { Problem } from '../../wire/problem';

/** What one body has of the bytes that an instance may have in hand. */
export interface Hold {
  /** Throws a `Problem` where the bodies of all together would be too many bytes now. */
  readonly take: (bytes: number) => void;
  readonly release: () => void;
}

/** Bytes of all callers' bodies that are read and not checked yet: so many, and no more, whoever sends them. */
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
