import { bounds } from '../bounds';
import { isAtServer, runOfJob, type Job } from './job';
import { isFile, type FileOutput, type JobOutput } from './job-state';
import { ownerById } from './progress/plan/owners';
import type { Graph } from './workflow';

/** Classes of nodes that send their pictures over the socket: SaveImageWebsocket, ETN_SendImageWebSocket, … */
const sendsPictures = /websocket/i;

/**
 * The workflow's node that made this picture, or `undefined` if it is a preview. The node's class decides; for a node
 * that another made as it ran, and that the workflow does not hold, the format: previews are JPEG, pictures PNG.
 */
export function pictureNode(job: Job, nodeId: string, mimeType: string): string | undefined {
  const { graph } = job;
  const node = runOfJob(job)?.nodes.get(nodeId);
  const own = node?.owner ?? ownOf(graph, nodeId);
  const type = graph.get(node?.displayId ?? nodeId)?.type ?? graph.get(own)?.type ?? '';
  const isHidden = !graph.has(nodeId) && mimeType === 'image/png';
  return sendsPictures.test(type) || isHidden ? own : undefined;
}

/** The output for a picture, or `undefined` if it exceeds a bound of the job (`fileBytes`, `filesBytes`, `files`). */
export function pictureOf(job: Job, nodeId: string, mimeType: string, bytes: number): FileOutput | undefined {
  const { pictures, pictureBytes } = isAtServer(job) ? job.stage : { pictures: [], pictureBytes: 0 };
  if (bytes > bounds.fileBytes || pictureBytes + bytes > bounds.filesBytes) return undefined;
  if (pictures.length >= bounds.files) return undefined;
  const number = String(pictures.length + 1).padStart(5, '0');
  const ending = mimeType === 'image/jpeg' ? 'jpg' : mimeType.replace(/^image\//, '').replace(/[^a-z0-9]/g, '');
  return { nodeId, kind: 'images', filename: `picture_${number}.${ending}`, subfolder: '', type: 'websocket' };
}

/**
 * A job's outputs as its state holds them: under the workflow's own nodes, in the same order whether frames or history
 * told of them, and bounded in number and bytes (R16).
 */
export function outputsOfJob({ graph }: Job, outputs: readonly JobOutput[]): readonly JobOutput[] {
  const kept: JobOutput[] = [];
  let texts: number = bounds.textsLength;
  let bytes = bounds.outputsBytes;
  for (const output of [...outputs].sort(byNode)) {
    if (kept.length >= bounds.outputs) break;
    // By its id alone, as history does not name a node's parents, which frames do.
    const nodeId = ownOf(graph, output.nodeId);
    const text = isFile(output) ? undefined : output.text.slice(0, texts);
    if (text === '' && texts <= 0) continue;
    texts -= text?.length ?? 0;
    const own = text === undefined ? { ...output, nodeId } : { nodeId, kind: 'text' as const, text };
    bytes -= bytesOf(JSON.stringify(own));
    if (bytes < 0) break;
    kept.push(own);
  }
  return kept;
}

/** An upper bound of a text's bytes in UTF-8. */
function bytesOf(text: string): number {
  let bytes = text.length;
  for (let n = 0; n < text.length; n++) if (text.charCodeAt(n) > 0x7f) bytes += 2;
  return bytes;
}

/** The workflow's node that a node belongs to by its id; the node itself if the workflow is not known. */
const ownOf = (graph: Graph, nodeId: string): string =>
  graph.size === 0 || graph.has(nodeId) ? nodeId : (ownerById(graph, nodeId) ?? nodeId);

/**
 * Node ids are numbers in most workflows: `2` before `10`. The sort is stable, so one node's files keep their order.
 */
const byNode = (a: JobOutput, b: JobOutput): number => collator.compare(a.nodeId, b.nodeId);

const collator = new Intl.Collator('en', { numeric: true });
