import { Subject, type Observable } from 'rxjs';
import { Problem } from '../../wire/problem';

/** One body's share of the bytes that an instance may have in hand. */
export interface Hold {
  /**
   * Adds bytes to the share. Throws a `busy` `Problem` if all bodies together would then have more than `mostBytes`, and
   * no larger one is being read, which gives way instead.
   */
  readonly take: (bytes: number) => void;
  /** Errors with a `busy` `Problem` once this body gives way to a smaller one; never emits or completes. */
  readonly gaveWay$: Observable<never>;
  /** Call it when the body is read: then it gives way no more. */
  readonly keep: () => void;
  readonly release: () => void;
}

interface Share {
  bytes: number;
  readonly giveWay: (problem: Problem) => void;
}

/**
 * Limits to `mostBytes` the bytes of all callers' bodies that are read and not checked yet. The largest gives way: two
 * callers who send theirs byte by byte would else keep everybody's from being read.
 */
export function bytesInHand(mostBytes: number): () => Hold {
  /** The shares of bodies that are being read. */
  const reading = new Set<Share>();
  let held = 0;

  const release = (share: Share): void => {
    held -= share.bytes;
    share.bytes = 0;
    reading.delete(share);
  };

  return () => {
    let gave: Problem | undefined;
    const gaveWay$ = new Subject<never>();
    const own: Share = { bytes: 0, giveWay: (problem) => gaveWay$.error((gave = problem)) };
    reading.add(own);
    return {
      take: (bytes) => {
        if (gave !== undefined) throw gave;
        while (held + bytes > mostBytes) {
          const [largest] = [...reading].sort((one, other) => other.bytes - one.bytes);
          if (largest === undefined || largest.bytes <= own.bytes + bytes) throw busy(mostBytes);
          release(largest);
          largest.giveWay(busy(mostBytes));
        }
        held += bytes;
        own.bytes += bytes;
      },
      gaveWay$,
      keep: () => void reading.delete(own),
      release: () => release(own),
    };
  };
}

const busy = (mostBytes: number): Problem =>
  new Problem(
    'busy',
    { detail: `Of all callers, ${mostBytes} bytes of bodies are read at a time; the largest gives way.` },
    { 'Retry-After': '2' },
  );
