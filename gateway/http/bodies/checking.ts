import { extname, join } from 'node:path';
import { bulkhead } from 'cockatiel';
import { Piscina } from 'piscina';
import { checkedBody, LARGE_BYTES, type Bodies, type Checked, type Unchecked } from './check';

export interface Checking {
  /** Decodes a body. A large one is decoded in a thread and so does not block the event loop. */
  readonly check: <K extends keyof Bodies>(body: Unchecked<K>) => Promise<Checked<K>>;
  readonly close: () => Promise<void>;
}

const IDLE_MS = 2_000;
/** The thread is replaced after 2 MiB: its heap grows to many times what it read, and V8 shrinks it only late. */
const BYTES_PER_THREAD = 2 << 20;
/**
 * The thread's heap limit, MB. A body within `bounds.bodyValues` takes at most 8 times its bytes: a workflow as text,
 * in letters beyond Latin. A thread that reaches its limit ends the whole process, so the limit is twice that and more,
 * and is set here: V8's default depends on the machine's memory.
 */
const heapMb = (mostBytes: number): number => 256 + Math.ceil((16 * mostBytes) / 2 ** 20);

/**
 * Decodes bodies below 256 KiB at once, larger ones one after the other in a thread that ends after 2 s without work.
 */
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
      lengthOf(body) < LARGE_BYTES ? Promise.resolve(checkedBody(body)) : turn.execute(() => inThread(body)),
    close: async () => thread?.destroy(),
  };
}

function threadFor(mostBytes: number): Piscina {
  // In tests and in development the TypeScript sources run: then the thread needs tsx to load them.
  const extension = extname(__filename);
  return new Piscina({
    filename: join(__dirname, `check-thread${extension}`),
    ...(extension === '.ts' && { execArgv: ['--import', 'tsx'] }),
    minThreads: 0,
    maxThreads: 1,
    idleTimeout: IDLE_MS,
    resourceLimits: { maxOldGenerationSizeMb: heapMb(mostBytes), maxYoungGenerationSizeMb: 8 },
    recordTiming: false,
    // The event loop's thread goes first.
    niceIncrement: 10,
  });
}

/**
 * Transfers the bytes to the thread, which joins the pieces: to join 32 MiB here would block the event loop for 40 ms.
 */
function handedOver<K extends keyof Bodies>(thread: Piscina, body: Unchecked<K>): Promise<Checked<K>> {
  // A chunk that is a piece of a larger buffer, such as Node's pool, is copied: a transfer would take all of the
  // buffer.
  const chunks = body.chunks.map((chunk) => (chunk.length < chunk.buffer.byteLength ? new Uint8Array(chunk) : chunk));
  const transferList = [...new Set(chunks.map(({ buffer }) => buffer as ArrayBuffer))];
  return thread.run({ ...body, chunks }, { transferList }) as Promise<Checked<K>>;
}

const lengthOf = ({ chunks }: Unchecked): number => chunks.reduce((sum, { length }) => sum + length, 0);
