import type { Duplex } from 'node:stream';

/** A TCP connection, as far as it is counted. */
export type Counted = Pick<Duplex, 'on' | 'off'>;

/**
 * Calls `exceeded` when more than `most` bytes arrived of a connection within `seconds`; with Infinity, in all from now
 * on. All bytes count: of frames without a message (pings, pongs, acknowledgements) no other limit hears. Returns what
 * ends the counting.
 */
export function onExcess(connection: Counted, most: number, seconds: number, exceeded: () => void): () => void {
  let [bytes, since] = [0, performance.now()];
  const count = (chunk: Uint8Array): void => {
    const now = performance.now();
    if (now - since > seconds * 1000) [bytes, since] = [0, now];
    bytes += chunk.length;
    if (bytes > most) exceeded();
  };
  connection.on('data', count);
  return () => void connection.off('data', count);
}
