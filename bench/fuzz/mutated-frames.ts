import { framesOf, recordings } from '../../test/support/replay/recordings';

/** One message of a socket. */
export interface Message {
  readonly bytes: Buffer;
  readonly isBinary: boolean;
}

/** A number from 0 up to, but not, 1. */
export type Random = () => number;

/** Marks what JSON.stringify could not write: they are replaced in the text. */
const HUGE = '@@huge@@';
const DEEP = '@@deep@@';
const PROTO = '@@proto@@';
const SAME_TWICE = '@@same twice@@';

/** Every frame of every recording. */
export const recordedFrames: readonly Message[] = recordings
  .flatMap(framesOf)
  .map((frame) => ({ bytes: Buffer.from(frame as string), isBinary: typeof frame !== 'string' }));

/** Every id that a recorded frame names as its job's. */
export const recordedJobs: readonly string[] = [
  ...new Set(
    recordedFrames.flatMap(({ bytes }) =>
      [...bytes.toString('latin1').matchAll(/"prompt_id": ?"([^"]+)"/g)].map(([, id]) => id!),
    ),
  ),
];

/** The same numbers for the same seed (mulberry32). */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A recorded frame with one to three things wrong with it. */
export function mutatedFrame(random: Random): Message {
  let message = pick(random, recordedFrames);
  for (let times = 1 + below(random, 3); times > 0; times--)
    message = pick(random, message.isBinary ? inBytes : inText)(message, random);
  return message;
}

type Mutation = (message: Message, random: Random) => Message;

const flipped: Mutation = ({ bytes, isBinary }, random) => {
  const copy = Buffer.from(bytes);
  for (let flips = 1 + below(random, 8); flips > 0 && copy.length > 0; flips--)
    copy[below(random, copy.length)] = below(random, 256);
  return { bytes: copy, isBinary };
};

const cut: Mutation = ({ bytes, isBinary }, random) => ({
  bytes: bytes.subarray(0, below(random, bytes.length + 1)),
  isBinary,
});

const repeated: Mutation = ({ bytes, isBinary }, random) => {
  const from = below(random, bytes.length + 1);
  const part = bytes.subarray(from, from + below(random, 64));
  return { bytes: Buffer.concat([bytes.subarray(0, from), part, bytes.subarray(from)]), isBinary };
};

const taken: Mutation = ({ bytes, isBinary }) => ({ bytes, isBinary: !isBinary });

/** One value somewhere in the JSON is gone, another, or under another name. */
const reshaped: Mutation = (message, random) => {
  try {
    const json: unknown = JSON.parse(message.bytes.toString());
    return { bytes: Buffer.from(unmarked(JSON.stringify(changed(json, random, 6)), random)), isBinary: false };
  } catch {
    // No JSON any more, or nested too deep for JSON.stringify: as it is.
    return message;
  }
};

const inBytes: readonly Mutation[] = [flipped, cut, repeated, taken];
const inText: readonly Mutation[] = [flipped, cut, repeated, taken, ...Array<Mutation>(36).fill(reshaped)];

function changed(value: unknown, random: Random, depth: number): unknown {
  const inside = typeof value === 'object' && value !== null && depth > 0 && random() < 0.95;
  if (!inside) return oddValue(value, random);
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    const at = below(random, items.length + 1);
    return [...items.slice(0, at), changed(items[at], random, depth - 1), ...items.slice(at + 1)];
  }
  const entries = Object.entries(value);
  const nested = entries.flatMap(([, inner], index) => (typeof inner === 'object' && inner !== null ? [index] : []));
  const at = nested.length > 0 && random() < 0.7 ? pick(random, nested) : below(random, entries.length);
  const [key = 'data', inner] = entries[at] ?? [];
  const others = entries.filter((_, index) => index !== at);
  const one = random();
  if (one < 0.06) return Object.fromEntries(others);
  if (one < 0.1) return Object.fromEntries([...others, [pick(random, oddKeys), inner]]);
  if (one < 0.25) return Object.fromEntries([...entries, [pick(random, oddKeys), oddValue(inner, random)]]);
  return Object.fromEntries([...others, [key, changed(inner, random, depth - 1)]]);
}

const oddKeys = [
  PROTO,
  'constructor',
  'prototype',
  'hasOwnProperty',
  'toString',
  '',
  '0',
  'prompt_id',
  'node',
  'nodes',
  'value',
  'max',
  'é',
  '5.0.0.3.0.0.2',
];

/** Another value in its place; more often than not of the same kind, or few frames would get past the codecs. */
function oddValue(value: unknown, random: Random): unknown {
  if (typeof value === 'number' && random() < 0.8) return pick(random, oddNumbers);
  if (typeof value === 'string' && random() < 0.7) return pick(random, random() < 0.5 ? oddKeys : recordedJobs);
  const odd = pick(random, oddValues);
  return odd === SAME_TWICE ? [value, value] : odd;
}

const oddNumbers: readonly unknown[] = [
  HUGE,
  `-${HUGE}`,
  -1,
  0,
  -0,
  0.1,
  1e308,
  -1e308,
  5e-324,
  2 ** 53,
  1e21,
  40,
  3.7,
];
const oddValues: readonly unknown[] = [
  null,
  true,
  '',
  'x',
  '1',
  'x'.repeat(5_000),
  [],
  {},
  [null],
  [[]],
  { [PROTO]: { polluted: true } },
  DEEP,
  SAME_TWICE,
  ...oddNumbers,
];

/** Puts in what could not be stringified: numbers past all numbers, deep nesting, a key that is a trap. */
const unmarked = (text: string, random: Random): string =>
  text
    .replaceAll(`"-${HUGE}"`, '-1e999')
    .replaceAll(`"${HUGE}"`, '1e999')
    .replaceAll(PROTO, '__proto__')
    .replaceAll(`"${DEEP}"`, () => nesting(pick(random, ['[', '{"a":']), 1 + below(random, 5_000)));

const nesting = (open: string, depth: number): string =>
  open.repeat(depth) + '1' + (open === '[' ? ']' : '}').repeat(depth);

const below = (random: Random, end: number): number => Math.floor(random() * end);
const pick = <T>(random: Random, all: readonly T[]): T => all[below(random, all.length)]!;
