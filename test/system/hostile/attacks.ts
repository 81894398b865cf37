import { request, type ClientRequest, type RequestOptions } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';

/** What a hostile user got for it: answers by attack and status. */
export type Tally = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** What every attack needs. */
export interface Attacker {
  readonly instances: readonly string[];
  readonly token: string;
  /** Another user's live job. */
  readonly victim: string;
  /** ms since 1970. */
  readonly until: number;
  readonly note: (what: string, outcome: string | number) => void;
}

const PATIENCE_MS = 20_000;

const at = ({ instances }: Attacker, n: number): string => instances[n % instances.length]!;
const bearer = ({ token }: Attacker) => ({ authorization: `Bearer ${token}` });

/** Not `AbortSignal.timeout`: Node 20 collects that as garbage, and it never fires. */
function patiently<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  const patience = setTimeout(() => abort.abort(), PATIENCE_MS);
  return work(abort.signal).finally(() => clearTimeout(patience));
}

/** Repeats an attack until the time is over. */
export async function again({ until }: Attacker, pauseMs: number, attack: (n: number) => unknown): Promise<void> {
  for (let n = 0; Date.now() < until; n++) {
    await attack(n);
    await sleep(pauseMs);
  }
}

/** Submits a body. Resolves with the job's id where it was taken. */
export async function post(attacker: Attacker, n: number, what: string, body: string): Promise<string | undefined> {
  const headers = { ...bearer(attacker), 'content-type': 'application/json' };
  try {
    return await patiently(async (signal) => {
      const answer = await fetch(`${at(attacker, n)}/jobs`, { method: 'POST', headers, body, signal });
      const text = await answer.text();
      attacker.note(what, answer.status);
      return answer.status === 202 ? (JSON.parse(text) as { promptId: string }).promptId : undefined;
    });
  } catch (error) {
    attacker.note(what, (error as Error).name);
    return undefined;
  }
}

/** Asks for something, and reads the answer but for its content. */
export async function ask(attacker: Attacker, n: number, what: string, path: string, init: RequestInit = {}) {
  const headers = { ...bearer(attacker), ...(init.headers as Record<string, string> | undefined) };
  const asked = patiently(async (signal) => {
    const answer = await fetch(`${at(attacker, n)}${path}`, { ...init, headers, signal });
    attacker.note(what, answer.status);
    await answer.arrayBuffer();
  });
  await asked.catch((error: unknown) => attacker.note(what, (error as Error).name));
}

/** Opens a request and leaves the rest to the caller. */
function opened(attacker: Attacker, n: number, what: string, path: string, options: RequestOptions): ClientRequest {
  const { hostname, port } = new URL(at(attacker, n));
  const headers = { ...bearer(attacker), ...(options.headers as Record<string, string>) };
  const asked = request({ hostname, port, path, ...options, headers, agent: false });
  asked.on('error', () => attacker.note(what, 'cut'));
  return asked;
}

/** Downloads of which nothing is read. */
export const stalledReaders = (attacker: Attacker, output: string): Promise<void> =>
  again(attacker, 100, (n) => {
    const what = 'readers that stall';
    const headers = n % 3 === 0 ? { range: 'bytes=0-30000000' } : {};
    const asked = opened(attacker, n, what, output, { headers });
    asked.on('response', (response) => {
      attacker.note(what, response.statusCode ?? 0);
      response.pause();
      response.on('error', () => undefined);
    });
    asked.end();
  });

const ranges = [
  `bytes=${Array.from({ length: 120 }, (_, n) => `${n}-${n}`).join(',')}`,
  'bytes=99999999999999-',
  'bytes=-99999999999999999999',
  `bytes=0-${'9'.repeat(400)}`,
  `bytes=${'0-,'.repeat(160)}`,
  'bytes=5-1,-',
];

/** Ranges that are none, or many. */
export const ranged = (attacker: Attacker, output: string): Promise<void> =>
  again(attacker, 700, (n) =>
    ask(attacker, n, 'odd ranges', output, { headers: { range: ranges[n % ranges.length]! }, method: 'GET' }),
  );

/** Another user's job, in every way that there is. */
export const othersJobs = (attacker: Attacker): Promise<void> =>
  again(attacker, 60, async (n) => {
    const ways: readonly (readonly [string, string])[] = [
      ['GET', ''],
      ['POST', '/cancel'],
      ['GET', '/outputs/0'],
      ['GET', '/nodes'],
      ['PUT', ''],
      ['GET', '/events'],
      ['POST', '/outputs/0/url'],
      ['GET', '/outputs/0?signature=eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.'],
      ['GET', '/outputs/0?signature=' + attacker.token],
    ];
    const [method, path] = ways[n % ways.length]!;
    const body = JSON.stringify({ type: 'x', userId: 'mallory' });
    const init = method === 'PUT' ? { method, body, headers: { 'content-type': 'application/json' } } : { method };
    await ask(attacker, n, 'another’s job', `/jobs/${attacker.victim}${path}`, init);
  });

/** Bodies that take for ever, and such as unpack to more than is taken. */
export const slowAndPacked = async (attacker: Attacker): Promise<void> => {
  const headers = { 'content-type': 'application/json', 'content-length': String(30 << 20) };
  const slow = Array.from({ length: 60 }, (_, n) => {
    const asked = opened(attacker, n, 'bodies that take for ever', '/jobs', { method: 'POST', headers });
    asked.on('response', ({ statusCode }) => attacker.note('bodies that take for ever', statusCode ?? 0));
    return asked;
  });
  const bomb = gzipSync(Buffer.alloc(200 << 20, ' '));
  await again(attacker, 1_000, async (n) => {
    slow.forEach((each) => each.destroyed || each.write('{'));
    if (n % 2 === 0)
      await ask(attacker, n, 'a bomb', '/jobs', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
        body: bomb,
      });
  });
  slow.forEach((each) => each.destroy());
};

/** Inputs, large and many, that are no images or stop in their middle. */
export const inputs = async (attacker: Attacker): Promise<void> => {
  const picture = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.alloc(8 << 20, 7)]);
  const what = 'inputs';
  await again(attacker, 400, async (n) => {
    const type = { 'content-type': 'application/octet-stream' };
    const body = n % 3 === 0 ? Buffer.alloc(1 << 20) : picture;
    const path = `/inputs?filename=${n % 5 === 0 ? encodeURIComponent('../../x\r\nX: y.png') : `h${n % 3}.png`}`;
    if (n % 4 > 0) return ask(attacker, n, what, path, { method: 'POST', headers: type, body });
    const headers = { ...type, 'content-length': String(50 << 20) };
    const asked = opened(attacker, n, what, path, { method: 'POST', headers });
    asked.on('response', ({ statusCode }) => attacker.note(what, statusCode ?? 0));
    asked.write(picture.subarray(0, 1 << 20));
  });
};

const queries = [
  `text=${'x'.repeat(7_000)}`,
  `text=${encodeURIComponent('*[]?\\"{}$(){;}')}`,
  'cursor=%00%ff',
  `cursor=${'A'.repeat(5_000)}`,
  'limit=1e9',
  'since=0&until=999999999999999&limit=200',
  'userId=ada',
  'text=a&limit=200',
  '__proto__[x]=1&constructor=2',
  `${'a=1&'.repeat(2_000)}`,
];

/** Lists in all the ways that are expensive, or wrong. */
export const lists = (attacker: Attacker): Promise<void> =>
  again(attacker, 60, (n) => ask(attacker, n, 'lists', `/jobs?${queries[n % queries.length]!}`));
