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
const IDLE_MS = 10_000;
/** Of one thread: a body of 100 MiB, its text and what is read from it. */
const HEAP_MB = 1024;

/** Small bodies are read at once, large ones in a thread that is there while there are any. */
export function checking(): Checking {
  // Where the sources run themselves, in tests and in development, the thread needs what makes them run.
  const extension = extname(__filename);
  const pool = new Piscina({
    filename: join(__dirname, `check-thread${extension}`),
    ...(extension === '.ts' && { execArgv: ['--import', 'tsx'] }),
    minThreads: 0,
    maxThreads: 1,
    idleTimeout: IDLE_MS,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    recordTiming: false,
  });
  return {
    check: (body) => (body.bytes.length < INLINE_BYTES ? Promise.resolve(checkedBody(body)) : inThread(pool, body)),
    close: () => pool.destroy(),
  };
}

/** The bytes go to the thread, and are gone here. */
async function inThread<K extends keyof Bodies>(pool: Piscina, body: Unchecked<K>): Promise<Checked<K>> {
  const bytes = body.bytes.byteLength === body.bytes.buffer.byteLength ? body.bytes : new Uint8Array(body.bytes);
  return (await pool.run({ ...body, bytes }, { transferList: [bytes.buffer as ArrayBuffer] })) as Checked<K>;
}
