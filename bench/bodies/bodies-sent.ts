const MIB = 1 << 20;
const ask = { type: 'image_generation', userId: 'ada' };
const before = JSON.stringify(ask).slice(0, -1);

const node = (n: number) => `"${n}":{"class_type":"KSampler","inputs":{"seed":${n},"model":["4",0]}}`;

/** Pieces with commas between, for so many bytes. */
const filled = (head: string, piece: (n: number) => string, tail: string, bytes: number): string => {
  const pieces: string[] = [];
  for (let [n, length] = [0, head.length + tail.length]; length < bytes - 200; n += 1) {
    const next = piece(n);
    pieces.push(next);
    length += next.length + 1;
  }
  return head + pieces.join(',') + tail;
};
const nested = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;

/** A job that runs, with something large that its first node has no use for. */
const runs = (large: string): string =>
  `${before},"workflow":{"1":{"class_type":"EmptyImage","inputs":{"width":64,"height":64,"batch_size":1,"color":0,"x":${large}}},` +
  `"2":{"class_type":"SaveImage","inputs":{"images":["1",0],"filename_prefix":"x"}}}}`;

/** What is sent, and the status that it must get. */
export const largeBodies: readonly (readonly [what: string, make: () => string, status: number])[] = [
  [
    '120,000 nodes',
    () => `${before},"workflow":{${Array.from({ length: 120_000 }, (_, n) => node(n)).join(',')}}}`,
    400,
  ],
  ['32 MiB of nodes', () => filled(`${before},"workflow":{`, node, '}}', 32 * MIB), 400],
  ['32 MiB of what are no nodes', () => filled(`${before},"workflow":{`, (n) => `"${n}":0`, '}}', 32 * MIB), 400],
  ['32 MiB of unknown fields', () => filled(`${before},`, (n) => `"x${n}":0`, '}', 32 * MIB), 400],
  ['a million keys', () => filled(`${before},"metadata":{`, (n) => `"${n}":1`, '}}', 11 * MIB), 400],
  ['32 MiB of small numbers', () => filled(`${before},"workflow":[`, (n) => `${n % 10}`, ']}', 32 * MIB), 400],
  ['32 MiB of digits', () => `${before},"number":${'9'.repeat(32 * MIB - 100)}}`, 400],
  [
    '32 MiB of large integers',
    () => filled(`${before},"extraData":{"a":[`, (n) => `${n}${'9'.repeat(19)}`, ']}}', 32 * MIB),
    400,
  ],
  ['10 MiB of [[[[', () => `${before},"workflow":${'['.repeat(10 * MIB)}`, 400],
  ['99 levels, again and again', () => filled(`${before},"x":[`, () => nested(90), ']}', 32 * MIB), 400],
  ['32 MiB of one string', () => `${before},"workflow":"${'ä'.repeat(16 * MIB - 100)}"}`, 400],
  ['32 MiB of escapes', () => `${before},"workflow":"${'\\"'.repeat(16 * MIB - 100)}"}`, 400],
  ['32 MiB of backslashes', () => `${before},"workflow":"${'\\'.repeat(32 * MIB - 100)}`, 400],
  ['32 MiB of one key', () => `${before},"${'k'.repeat(32 * MIB - 100)}":1}`, 400],
  ['32 MiB of spaces', () => `${before}${' '.repeat(32 * MIB - 100)}`, 400],
  ['33 MiB', () => `${before},"x":"${'x'.repeat(33 * MIB)}"}`, 413],
  ['24 MiB as base64, taken', () => runs(`"${'A'.repeat(24 * MIB)}"`), 202],
  ['24 MiB of umlauts, taken', () => runs(`"${'ä'.repeat(12 * MIB)}"`), 202],
  ['24 MiB of escapes, taken', () => runs(`"${'\\n\\"'.repeat(6 * MIB)}"`), 202],
  ['150,000 numbers, taken', () => runs(`[${Array.from({ length: 150_000 }, (_, n) => n / 7).join(',')}]`), 202],
];
