import { isImage } from './image-value';
import { PythonError } from './node-class';
import { noisePng, png } from './png';
import type { ImageValue } from './image-value';
import { pythonJson } from '../http/python-json';
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
  /** A film of its pictures; what it holds, a test puts there. */
  SaveWEBM: {
    required: { images: IMAGE, filename_prefix: ['STRING', { default: 'ComfyUI' }] },
    returns: [],
    isOutput: true,
    run: (inputs, { files }) => {
      const film = files.save(image(inputs['images']), String(inputs['filename_prefix']), 'output', 'webm');
      return { result: [], ui: { images: [film], animated: [true] } };
    },
  },
  /** Sends its pictures over the socket, as PNG, and names no output. */
  SaveImageWebsocket: {
    required: { images: IMAGE },
    optional: { count: ['INT', { default: 1, min: 1, max: 16 }], noise: ['INT', { default: 0, min: 0, max: 1 }] },
    returns: [],
    isOutput: true,
    unique: true,
    run: (inputs, context) => {
      const { width, height, color } = image(inputs['images']);
      const count = number(inputs['count'] ?? 1);
      for (let n = 0; n < count; n += 1) {
        const picture = number(inputs['noise']) === 1 ? noisePng(width, height) : png(width, height, color);
        context.progress(n, count, picture, 'PNG');
      }
      return { result: [] };
    },
  },
  /** A picture's size; `NaN` is a number to Python, until it is to be rounded. */
  ImageScaleBy: {
    required: { image: IMAGE, upscale_method: ['STRING'], scale_by: ['FLOAT', { default: 1, min: 0.01, max: 8 }] },
    returns: ['IMAGE'],
    run: (inputs) => {
      const scale = number(inputs['scale_by']);
      const at = '  File "/comfyui/nodes.py", line 1929, in upscale\n';
      if (Number.isNaN(scale)) throw new PythonError('ValueError', 'cannot convert float NaN to integer', at);
      const from = image(inputs['image']);
      return { result: [{ ...from, width: Math.round(from.width * scale), height: Math.round(from.height * scale) }] };
    },
  },
  PrimitiveString: {
    required: { value: ['STRING'] },
    returns: ['STRING'],
    run: ({ value }) => ({ result: [value] }),
  },
  PreviewAny: {
    required: { source: ['*'] },
    returns: [],
    isOutput: true,
    run: ({ source }) => ({ result: [], ui: { text: [String(source)] } }),
  },
  /** Shows a model by its path and a camera, as ComfyUI's own. */
  Preview3D: {
    required: { model_file: ['STRING'] },
    returns: [],
    isOutput: true,
    run: ({ model_file }) => ({ result: [], ui: { result: [model_file, null] } }),
  },
  /** A number that JSON has not, among what a browser is shown. */
  ScoreImage: {
    required: { images: IMAGE },
    returns: [],
    isOutput: true,
    run: (inputs, context) => {
      const { ui } = saved(inputs['images'], 'score', 'output', context);
      return { result: [], ui: { ...ui, score: [NaN, Infinity, -Infinity] } };
    },
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
  return Buffer.from(pythonJson(value ?? '')).reduce((hash, byte) => (hash * 31 + byte) % 0xffffff, 7919);
}

function saved(value: unknown, prefix: string, type: 'output' | 'temp', context: NodeContext): NodeResult {
  return { result: [], ui: { images: [context.files.save(image(value), prefix, type)] } };
}

function fiveLetters(): string {
  return Array.from({ length: 5 }, () => String.fromCharCode(97 + Math.floor(Math.random() * 26))).join('');
}
