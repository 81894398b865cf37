type Node = Record<string, unknown>;
const node = (class_type: string, inputs: Record<string, unknown>, title?: string): Node => ({
  class_type,
  inputs,
  ...(title !== undefined && { _meta: { title } }),
});

/** Steps that run for a second, of a workflow that is well but for `more`. */
export const runs = (more: Record<string, Node> = {}): Record<string, Node> => ({
  '1': node('EmptyImage', { width: 64, height: 64, batch_size: 1, color: Math.floor(Math.random() * 1e6) }),
  '2': node('StepsWithProgress', {
    image: ['1', 0],
    steps: 20,
    seconds_per_step: 0.05,
    preview_every: 0,
    seed: Math.floor(Math.random() * 1e9),
  }),
  '3': node('SaveImage', { images: ['2', 0], filename_prefix: 'hostile' }),
  ...more,
});

const numbered = (count: number, nodeOf: (n: number) => Node): Record<string, Node> =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`n${n}`, nodeOf(n)]));

const links = (count: number): Record<string, unknown> =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`i${n}`, [`${n + 10}`, 0]]));

const nested = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;

/** Workflows by attack: as JSON text, since some cannot be said otherwise. */
export const workflows: Readonly<Record<string, () => string>> = {
  'a node of 130,000 links': () => JSON.stringify(runs({ '9': node('PreviewImage', links(130_000)) })),
  'links within every bound': () => JSON.stringify(runs({ '9': node('PreviewImage', links(900)) })),
  'nodes that feed each other': () =>
    JSON.stringify(
      runs({ '8': node('PreviewImage', { images: ['9', 0] }), '9': node('PreviewImage', { images: ['8', 0] }) }),
    ),
  'a title of 8 MiB': () =>
    JSON.stringify(runs({ '3': node('SaveImage', { images: ['2', 0], filename_prefix: 'h' }, 't'.repeat(8 << 20)) })),
  '9,000 titles of 900 bytes': () =>
    JSON.stringify(runs(numbered(9_000, () => node('ImageInvert', { image: ['2', 0] }, 'ü'.repeat(450))))),
  'a class name of 200 KB': () => JSON.stringify(runs({ '9': node('c'.repeat(200_000), {}) })),
  '5,000 class names that nobody has': () =>
    JSON.stringify(runs(numbered(5_000, (n) => node(`${'c'.repeat(290)}${n}`, {})))),
  '5,000 nodes with bad inputs': () =>
    JSON.stringify(runs(numbered(5_000, () => node('PreviewImage', { images: 'x'.repeat(300) })))),
  '120,000 nodes': () => JSON.stringify(runs(numbered(120_000, () => node('PreviewImage', { images: ['2', 0] })))),
  '9,000 nodes in a chain': () =>
    JSON.stringify(runs(numbered(9_000, (n) => node('ImageInvert', { image: [n === 0 ? '2' : `n${n - 1}`, 0] })))),
  'half a million errors': () => JSON.stringify(Object.fromEntries(Array.from({ length: 500_000 }, (_, n) => [n, 0]))),
  'five million brackets': () => `{"1":{"class_type":"A","inputs":{"x":${nested(5 << 20)}}}}`,
  'workflow as text, of brackets': () => JSON.stringify(`{"1":{"class_type":"A","inputs":{"x":${nested(2_000_000)}}}}`),
  'a node called __proto__': () =>
    '{"__proto__":{"class_type":"EmptyImage","inputs":{}},"constructor":{"class_type":"PreviewImage","inputs":{"images":["__proto__",0]}}}',
};
