import type { Failure } from '../../streams/job/job-state';
import type { Broke } from './frame.codec';

/** ComfyUI's word on why a node broke, made fit for a person: one line, no paths, no inputs, no traceback (R13). */
export function nodeFailure({ node_id, node_type, exception_message, exception_type }: Broke): Failure {
  const message = readable(exception_message ?? '') || exception_type || 'The node failed without a message.';
  const outOfMemory = /OutOfMemory/i.test(exception_type ?? '') || /out of memory|allocation on device/i.test(message);
  return {
    kind: outOfMemory ? 'out_of_memory' : 'node_error',
    message,
    ...at(node_id, node_type),
    retryable: outOfMemory,
  };
}

/** The job was stopped at a node. */
export const interruption = ({ node_id, node_type }: Broke): Failure => ({
  kind: 'interrupted',
  message: 'The job was interrupted on the server.',
  ...at(node_id, node_type),
  retryable: true,
});

/** Longer messages are cut before they are searched: a node may put a whole prompt into one. */
const LONGEST = 4_000;

const serverOnly: readonly (readonly [RegExp, string])[] = [
  // Credentials and queries of URLs: nodes that download put tokens into both.
  [/\b(\w+:\/\/)[^\s/]*@/g, '$1'],
  [/\b(\w+:\/\/[^\s?#'"]*)[?#][^\s'"]*/g, '$1'],
  // Paths keep their last part. Quoted ones may hold spaces, and so may those of Windows; Python doubles backslashes.
  [/(['"])(?:[A-Za-z]:)?[\\/][^'"]*[\\/]([^'"\\/]*)\1/g, '$1…/$2$1'],
  [/\b[A-Za-z]:[\\/](?:[^'":*?<>|]*[\\/])?/g, '…/'],
  [/(?:[\\/]{1,4}[\p{L}\p{N}_.@+~-]+)+[\\/]{1,4}([\p{L}\p{N}_.@+~-]+)/gu, '…/$1'],
];

/** The first line, without what belongs to the server alone: paths keep their last part, long text is cut. */
export function readable(message: string): string {
  const [line = ''] = message.trim().split('\n', 1);
  return serverOnly.reduce((text, [what, kept]) => text.replace(what, kept), line.slice(0, LONGEST)).slice(0, 500);
}

const at = (
  nodeId: string | null | undefined,
  nodeType: string | null | undefined,
): { nodeId?: string; nodeType?: string } => ({
  ...(typeof nodeId === 'string' && { nodeId }),
  ...(typeof nodeType === 'string' && { nodeType }),
});
