import type { Failure } from '../streams/job-state';
import type { Broke } from './frame.codec';

/** ComfyUI's word on why a node broke, made fit for a person: one line, no paths, no inputs, no traceback (R13). */
export function nodeFailure({ node_id, node_type, exception_message, exception_type }: Broke): Failure {
  const message = readable(exception_message ?? '') || exception_type || 'The node failed without a message.';
  const outOfMemory = /OutOfMemory/i.test(exception_type ?? '') || /out of memory|allocation on device/i.test(message);
  return { kind: outOfMemory ? 'out_of_memory' : 'node_error', message, ...at(node_id, node_type), retryable: outOfMemory };
}

/** The job was stopped at a node. */
export const interruption = ({ node_id, node_type }: Broke): Failure => ({
  kind: 'interrupted',
  message: 'The job was interrupted on the server.',
  ...at(node_id, node_type),
  retryable: true,
});

/** The first line, without what belongs to the server alone: paths keep their last part, long text is cut. */
export function readable(message: string): string {
  const [line = ''] = message.trim().split('\n');
  return line
    .replace(/(?:[A-Za-z]:)?(?:[\\/][\w.@+~-]+)+[\\/]([\w.@+~-]+)/g, '…/$1')
    .replace(/\b(\w+:\/\/)[^\s/@]+@/g, '$1')
    .slice(0, 500);
}

const at = (nodeId: string | null | undefined, nodeType: string | null | undefined): { nodeId?: string; nodeType?: string } => ({
  ...(typeof nodeId === 'string' && { nodeId }),
  ...(typeof nodeType === 'string' && { nodeType }),
});
