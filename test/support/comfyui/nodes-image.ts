import { isImage } from './image-value';
import type { ImageValue } from './image-value';
import type { InputSpec, NodeClass, NodeContext, NodeResult } from './node-class';

/** Numbers of a node's inputs, already validated. */
export const number = (value: unknown): number => Number(value ?? 0);

/** The image under that input; a node that got none works on a black one. */
export const image = (value: unknown): ImageValue =>
  isImage(value) ? value : { kind: 'image', width: 64, height: 64, color: 0 };

const size = (initial: number): InputSpec => ['INT', { default: initial, min: 1, max: 16384, step: 1 }];
const IMAGE: InputSpec = ['IMAGE'];

/** ComfyUI's own image nodes. */
export const imageNodes: Readonly<Record<string, NodeClass>> = {
  EmptyImage: {
    required: {
      width: size(512),
      height: size(512),
      batch_size: ['INT', { default: 1, min: 1, max: 4096 }],
      color: ['INT', { default: 0, min: 0, max: 0xffffff, step: 1 }],
    },
    returns: ['IMAGE'],
    run: ({ width, height, color }) => ({
      result: [{ kind: 'image', width: number(width), height: number(height), color: number(color) }],
    }),
  },
  ImageInvert: {
    required: { image: IMAGE },
    returns: ['IMAGE'],
    run: (inputs) => {
      const from = image(inputs['image']);
      return { result: [{ ...from, color: 0xffffff - from.color }] };
    },
  },
  ImageToMask: {
    required: { image: IMAGE, channel: [['red', 'green', 'blue', 'alpha']] },
    returns: ['MASK'],
    run: (inputs) => {
      const shift = { red: 16, green: 8, blue: 0 }[String(inputs['channel'])] ?? 0;
      return { result: [((image(inputs['image']).color >> shift) & 0xff) / 255] };
    },
  },
  LoadImage: {
    required: { image: ['STRING'] },
    returns: ['IMAGE', 'MASK'],
    run: (inputs) => ({
      result: [{ ...image(undefined), width: 512, height: 512, color: colorOf(inputs['image']) }, 1],
    }),
  },
  SaveImage: {
    required: { images: IMAGE, filename_prefix: ['STRING', { default: 'ComfyUI' }] },
    returns: [],
    isOutput: true,
    run: (inputs, context) => saved(inputs['images'], String(inputs['filename_prefix']), 'output', context),
  },
  PreviewImage: {
    required: { images: IMAGE },
    returns: [],
    isOutput: true,
    run: (inputs, context) => saved(inputs['images'], `ComfyUI_temp_${fiveLetters()}`, 'temp', context),
  },
};

/** A colour (0xRRGGBB) that always belongs to that value. */
export function colorOf(value: unknown): number {
  return Buffer.from(JSON.stringify(value ?? '')).reduce((hash, byte) => (hash * 31 + byte) % 0xffffff, 7919);
}

function saved(value: unknown, prefix: string, type: 'output' | 'temp', context: NodeContext): NodeResult {
  return { result: [], ui: { images: [context.files.save(image(value), prefix, type)] } };
}

function fiveLetters(): string {
  return Array.from({ length: 5 }, () => String.fromCharCode(97 + Math.floor(Math.random() * 26))).join('');
}
