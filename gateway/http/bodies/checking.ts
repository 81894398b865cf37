import { extname, join } from 'node:path';
import { bulkhead } from 'cockatiel';
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
/** After so many bytes a thread is replaced: its heap grows by many times what it read, and shrinks by itself only late. */
const BYTES_PER_THREAD = 2 << 20;
/**
 * More than any body of that size, of so few values, takes: 8 times its bytes where a workflow that is not Latin comes as
 * text. A thread at its limit ends the whole process, so it must not be met, nor be one that a small machine makes small.
 */
const heapMb = (mostBytes: number): number => 256 + Math.ceil((16 * mostBytes) / 2 ** 20);

/** Small bodies are read at once, large ones one after the other in a thread that is there while there are any. */
export function checking(mostBytes: number): Checking {
  const turn = bulkhead(1, Infinity);
  let thread: Piscina | undefined;
  let readBytes = 0;

  async function inThread<K extends keyof Bodies>(body: Unchecked<K>): Promise<Checked<K>> {
    thread ??= threadFor(mostBytes);
    readBytes += lengthOf(body);
    try {
      return await handedOver(thread, body);
    } finally {
      if (readBytes >= BYTES_PER_THREAD) {
        readBytes = 0;
        const spent = thread;
        thread = undefined;
        await spent.destroy();
      }
    }
  }

  return {
    check: (body) =>
      lengthOf(body) < INLINE_BYTES ? Promise.resolve(checkedBody(body)) : turn.execute(() => inThread(body)),
    close: async () => thread?.destroy(),
  };
}

function threadFor(mostBytes: number): Piscina {
  // Where the sources run themselves, in tests and in development, the thread needs what makes them run.
  const extension = extname(__filename);
  return new Piscina({
    filename: join(__dirname, `check-thread${extension}`),
    ...(extension === '.ts' && { execArgv: ['--import', 'tsx'] }),
    minThreads: 0,
    maxThreads: 1,
    idleTimeout: IDLE_MS,
    resourceLimits: { maxOldGenerationSizeMb: heapMb(mostBytes), maxYoungGenerationSizeMb: 8 },
    recordTiming: false,
    // Whoever waits for the loop goes first.
    niceIncrement: 10,
  });
}

/** The bytes go to the thread, and are gone here. Joined there: 32 MiB take this thread 40 ms. */
function handedOver<K extends keyof Bodies>(thread: Piscina, body: Unchecked<K>): Promise<Checked<K>> {
  // What is a piece of something larger, such as Node's pool, is copied.
  const chunks = body.chunks.map((chunk) => (chunk.length < chunk.buffer.byteLength ? new Uint8Array(chunk) : chunk));
  const transferList = [...new Set(chunks.map(({ buffer }) => buffer as ArrayBuffer))];
  return thread.run({ ...body, chunks }, { transferList }) as Promise<Checked<K>>;
}

const lengthOf = ({ chunks }: Unchecked): number => chunks.reduce((sum, { length }) => sum + length, 0);
