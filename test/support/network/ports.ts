import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below the ports that systems hand out by themselves (Linux: from 32,768 on, IANA: from 49,152): whoever asks for any
 * port, and each connection that goes out, has one of those, also while a server that is to come back on it is away.
 */
const FIRST = 10_000;
/** How many a worker of Jest has to itself, or another process, and for how many there are some. */
const SHARE = 1_000;
const WORKERS = 22;

const start = FIRST + (Number(process.env['JEST_WORKER_ID'] ?? process.pid) % WORKERS) * SHARE;
let next = Math.floor(Math.random() * SHARE);

/** A port of 127.0.0.1 that is free now, and that nothing else takes meanwhile. */
export async function freePort(): Promise<number> {
  for (let tried = 0; tried < SHARE; tried += 1) {
    next = (next + 1) % SHARE;
    const port = start + next;
    if (await isFree(port)) return port;
  }
  throw new Error(`no port is free from ${start} to ${start + SHARE - 1}`);
}

async function isFree(port: number): Promise<boolean> {
  const listener = createServer().listen(port, '127.0.0.1');
  try {
    await once(listener, 'listening');
  } catch {
    return false;
  }
  listener.close();
  await once(listener, 'close');
  return true;
}
