import { extname, join } from 'node:path';
import { Piscina } from 'piscina';
import { checkedBody, type Bodies, type Checked, type Unchecked } from './check';

export interface Checking {
  /** Reads a body without holding up anybody else. */
  readonly check: <K extends keyof Bodies>(body: Unchecked<K>) => Promise<Checked<K>>;
  readonly close: () => Promise<void>;
}

/** What is shorter is read within 10 ms, less than it takes to hand it over. */
const INLINE_BYTES = 256 << 10;
const IDLE_MS = 2_000;
/**
 * More than any body of that size, of so few values, takes: 8 times its bytes where a workflow that is not Latin comes as
 * text. A thread at its limit ends the whole process, so it must not be met, nor be one that a small machine makes small.
 */
const heapMb = (mostBytes: number): number => 256 + Math.ceil((16 * mostBytes) / 2 ** 20);

/** Small bodies are read at once, large ones in a thread that is there while there are any. */
export function checking(mostBytes: number): Checking {
  // Where the sources run themselves, in tests and in development, the thread needs what makes them run.
  const extension = extname(__filename);
  const pool = new Piscina({
    filename: join(__dirname, `check-thread${extension}`),
    ...(extension === '.ts' && { execArgv: ['--import', 'tsx'] }),
    minThreads: 0,
    maxThreads: 1,
    idleTimeout: IDLE_MS,
    resourceLimits: { maxOldGenerationSizeMb: heapMb(mostBytes) },
    recordTiming: false,
    // Whoever waits for the loop goes first.
    niceIncrement: 10,
  });
  return {
    check: (body) => (lengthOf(body) < INLINE_BYTES ? Promise.resolve(checkedBody(body)) : inThread(pool, body)),
    close: () => pool.destroy(),
  };
}

/** The bytes go to the thread, and are gone here. Joined there: 32 MiB take this thread 40 ms. */
function inThread<K extends keyof Bodies>(pool: Piscina, body: Unchecked<K>): Promise<Checked<K>> {
  // What is a piece of something larger, such as Node's pool, is copied.
  const chunks = body.chunks.map((chunk) => (chunk.length < chunk.buffer.byteLength ? new Uint8Array(chunk) : chunk));
  const transferList = [...new Set(chunks.map(({ buffer }) => buffer as ArrayBuffer))];
  return pool.run({ ...body, chunks }, { transferList }) as Promise<Checked<K>>;
}

const lengthOf = ({ chunks }: Unchecked): number => chunks.reduce((sum, { length }) => sum + length, 0);
