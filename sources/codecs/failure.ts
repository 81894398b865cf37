import { bounds } from '../../streams/bounds';
import type { Failure } from '../../streams/job/job-state';
import { idText, isId } from './frame.codec';
import { isRecord } from '../../streams/options';

/**
 * What ComfyUI says of a node that broke, or at which a job was stopped. Forks leave some fields out, or give other
 * types.
 */
export interface Broke {
  readonly prompt_id?: unknown;
  readonly node_id?: unknown;
  readonly node_type?: unknown;
  readonly exception_message?: unknown;
  readonly exception_type?: unknown;
}

/** The fields of `said`; `undefined` if it is no object. */
export const brokeIn = (said: unknown): Broke | undefined => (isRecord(said) ? said : undefined);

/** Names of exceptions and words of messages that mean “out of memory”, of the GPU or the machine, under any driver. */
const outOfMemory: { readonly types: RegExp; readonly messages: readonly RegExp[] } = {
  // torch.OutOfMemoryError, torch.cuda.OutOfMemoryError, Python's MemoryError, NumPy's _ArrayMemoryError.
  types: /OutOfMemory|MemoryError$/i,
  messages: [
    /out of memory|allocation on device/i,
    // The machine's own: PyTorch's allocator, NumPy, malloc, mmap.
    /not enough memory|(can't|cannot) allocate memory|unable to allocate|std::bad_alloc/i,
    // cuBLAS and cuDNN.
    /CU(BLAS|DNN|SOLVER|SPARSE)_STATUS_ALLOC_FAILED/i,
    // DirectML; Intel, OpenCL, HIP and Vulkan.
    /not enough (GPU|video)/i,
    /OUT_OF_(DEVICE|HOST|HOST_)?_?MEMORY|OUT_OF_RESOURCES|ErrorMemoryAllocation|ERROR_OUT_OF_POOL_MEMORY/i,
    // Windows.
    /paging file is too small|WinError (8|14|1455)\b/i,
  ],
};

/** Why a node broke: ComfyUI's message for a person to read, in one line, without paths, inputs or traceback (R13). */
export function nodeFailure({ node_id, node_type, exception_message, exception_type }: Broke): Failure {
  const type = textOf(exception_type);
  const message = readable(textOf(exception_message)) || readable(type) || 'The node failed without a message.';
  const isMemory = outOfMemory.types.test(type) || outOfMemory.messages.some((words) => words.test(message));
  return {
    kind: isMemory ? 'out_of_memory' : 'node_error',
    message,
    ...at(node_id, node_type),
    retryable: isMemory,
  };
}

/**
 * Whether ComfyUI only blocked one branch, with a message: the run goes on without it, and its end has a frame of its
 * own.
 */
export const isBlockedBranch = ({ exception_type }: Broke): boolean => exception_type === 'ExecutionBlocked';

/** The failure of a job that was stopped, at a node where it is named. */
export const interruption = ({ node_id, node_type }: Broke): Failure => ({
  kind: 'interrupted',
  message: 'The job was interrupted on the server.',
  ...at(node_id, node_type),
  retryable: true,
});

/** Longer messages are cut before they are searched: a node may put a whole prompt into one. */
const LONGEST = bounds.messageLength * 2;

const serverOnly: readonly (readonly [RegExp, string])[] = [
  // Credentials and queries of URLs: nodes that download put tokens into both.
  [/\b(\w+:\/\/)[^\s/]*@/g, '$1'],
  [/\b(\w+:\/\/[^\s?#'"]*)[?#][^\s'"]*/g, '$1'],
  // Paths keep their last part. Quoted ones may hold spaces, and so may those of Windows; Python doubles backslashes.
  [/(['"])(?:[A-Za-z]:)?[\\/][^'"]*[\\/]([^'"\\/]*)\1/g, '$1…/$2$1'],
  [/\b[A-Za-z]:[\\/](?:[^'":*?<>|]*[\\/])?/g, '…/'],
];

/** Matches a URL, which stays as it is, or a path, of which the last part (the group) stays. */
const urlOrPath = /\b(?!file:)\w+:\/\/[^\s'"]+|(?:[\\/]{1,4}[\p{L}\p{N}_.@+~-]+)+[\\/]{1,4}([\p{L}\p{N}_.@+~-]+)/giu;

/** The first line of a message, without what only the server may know: paths keep their last part, long text is cut. */
export function readable(message: string): string {
  const [line = ''] = message.slice(0, LONGEST).trim().split('\n', 1);
  return serverOnly
    .reduce((text, [what, kept]) => text.replace(what, kept), line)
    .replace(urlOrPath, (whole, last?: string) => (last === undefined ? whole : `…/${last}`))
    .slice(0, 500);
}

const textOf = (said: unknown): string => (typeof said === 'string' ? said : '');

const at = (nodeId: unknown, nodeType: unknown): { nodeId?: string; nodeType?: string } => ({
  ...(isId(nodeId) && idText(nodeId).length <= bounds.madeNodeIdLength && { nodeId: idText(nodeId) }),
  ...(typeof nodeType === 'string' && { nodeType: nodeType.slice(0, bounds.classNameLength) }),
});
