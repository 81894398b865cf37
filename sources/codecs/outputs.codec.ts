import * as t from 'io-ts';
import { bounds } from '../../streams/bounds';
import type { FileOutput, JobOutput } from '../../streams/job/job-state';
import { isRecord } from '../../streams/options';

const file = t.intersection([t.type({ filename: t.string }), t.partial({ subfolder: t.string, type: t.string })]);

/** 3D models, which nodes name by their path alone. `/api/jobs` lists them as files, and so do all our codecs. */
const model = /\.(glb|gltf|obj|fbx|stl|usdz|ply|spz|splat|ksplat)$/i;

/** A path and, where a node names it, ComfyUI's folder: `mesh/a.glb [temp]`. */
const annotated = /^(.*?)(?: \[(output|temp|input)\])?$/;

/**
 * The outputs of one node: files, `{images: [{filename, subfolder, type}], …}`, models by their path, and the texts
 * under `text`. Everything else (flags, numbers, a camera) is left out.
 */
export function outputsOf(nodeId: string, output: unknown): readonly JobOutput[] {
  const found: JobOutput[] = [];
  for (const [kind, items] of Object.entries(isRecord(output) ? output : {})) {
    // Most nodes give a list; a custom one's single text or file counts as one.
    for (const item of Array.isArray(items) ? (items as readonly unknown[]) : [items]) {
      if (found.length >= bounds.outputs) return found;
      const read = outputOf(nodeId, kind.slice(0, KIND_LENGTH), item);
      if (read !== undefined) found.push(read);
    }
  }
  return found;
}

/** The outputs of all nodes, as history holds them. */
export function allOutputsOf(outputs: Readonly<Record<string, unknown>>): readonly JobOutput[] {
  const found: JobOutput[] = [];
  for (const nodeId of Object.keys(outputs)) {
    if (nodeId.length > bounds.madeNodeIdLength) continue;
    for (const output of outputsOf(nodeId, outputs[nodeId])) found.push(output);
    if (found.length >= bounds.outputs) break;
  }
  return found;
}

const KIND_LENGTH = 100;

function outputOf(nodeId: string, kind: string, item: unknown): JobOutput | undefined {
  if (typeof item === 'string') {
    const [, path = '', folder = 'output'] = annotated.exec(item.slice(-2 * bounds.filenameLength)) ?? [];
    if (model.test(path)) return fileOutput(nodeId, kind, path, '', folder);
    return kind === 'text' ? { nodeId, kind, text: item.slice(0, bounds.textLength) } : undefined;
  }
  if (!file.is(item)) return undefined;
  const { filename, subfolder = '', type = 'output' } = item;
  return fileOutput(nodeId, kind, filename, subfolder, type.slice(0, KIND_LENGTH));
}

/** ComfyUI's `/view` takes a file's name and its folder apart; a model's path holds both. */
function fileOutput(
  nodeId: string,
  kind: string,
  path: string,
  subfolder: string,
  type: string,
): FileOutput | undefined {
  const slash = path.lastIndexOf('/');
  const filename = path.slice(slash + 1);
  const folder = [subfolder, path.slice(0, Math.max(0, slash))].filter((part) => part !== '').join('/');
  if (filename === '' || filename.length > bounds.filenameLength || folder.length > bounds.filenameLength)
    return undefined;
  return { nodeId, kind, filename, subfolder: folder, type };
}
