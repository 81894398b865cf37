import type { BoardEvent } from '../../streams/board/board';
import { bounds } from '../../streams/bounds';
import type { FrameFact } from '../../streams/job/job-event';
import { interruption, isBlockedBranch, nodeFailure } from './failure';
import { idText, isId, type Frame, type Id } from './frame.codec';
import { outputsOf } from './outputs.codec';

/** Whose socket a frame came over, and when. */
export interface FrameOrigin {
  readonly clientId: string;
  readonly serverUrl: string;
  readonly at: number;
}

/** The events of a frame; none if it only repeats what another frame says. */
export function frameEvents(frame: Frame, { clientId, serverUrl, at }: FrameOrigin): readonly BoardEvent[] {
  const of = (id: Id, fact: FrameFact): readonly BoardEvent[] => [{ promptId: idText(id), at, ...fact }];
  switch (frame.type) {
    case 'status':
      return [{ tag: 'queueLength', serverUrl, clientId, remaining: frame.data.status.exec_info.queue_remaining, at }];
    case 'execution_start':
      return of(frame.data.prompt_id, { tag: 'started', ...saidAt(frame.data) });
    case 'execution_cached':
      return of(frame.data.prompt_id, { tag: 'cached', nodeIds: frame.data.nodes.map(idText) });
    case 'executing': {
      const { node, display_node, prompt_id } = frame.data;
      // ComfyUI sends `node: null` after each end, which a frame of its own has told already.
      if (!isId(node)) return [];
      if (!isId(prompt_id)) return [{ tag: 'resumed', clientId, at, nodeId: idText(node) }];
      return of(prompt_id, {
        tag: 'executing',
        nodeId: idText(node),
        ...(isId(display_node) && { displayId: idText(display_node) }),
      });
    }
    case 'progress': {
      const { value, max, prompt_id, node } = frame.data;
      if (!isId(prompt_id) || value === null || max === null) return [];
      return of(prompt_id, { tag: 'stepped', value, max, ...(isId(node) && { nodeId: idText(node) }) });
    }
    case 'progress_state':
      return of(frame.data.prompt_id, { tag: 'snapshot', nodes: snapshotsOf(frame.data.nodes) });
    case 'executed': {
      const nodeId = idText(frame.data.node);
      return of(frame.data.prompt_id, { tag: 'executed', nodeId, outputs: outputsOf(nodeId, frame.data.output) });
    }
    case 'execution_success':
      return of(frame.data.prompt_id, { tag: 'succeeded', ...saidAt(frame.data) });
    case 'execution_error':
      return isBlockedBranch(frame.data)
        ? []
        : of(frame.data.prompt_id, { tag: 'broke', failure: nodeFailure(frame.data) });
    case 'execution_interrupted':
      return of(frame.data.prompt_id, { tag: 'broke', failure: interruption(frame.data) });
  }
}

/** When the server says that it sent a frame. */
const saidAt = ({ timestamp }: { readonly timestamp?: unknown }): { readonly saidAt?: number } =>
  typeof timestamp === 'number' && Number.isFinite(timestamp) ? { saidAt: timestamp } : {};

type NodeState = (Frame & { type: 'progress_state' })['data']['nodes'][string];

/** Leaves out nodes whose id is too long for a state. */
const snapshotsOf = (nodes: Readonly<Record<string, NodeState>>) =>
  Object.entries(nodes)
    .filter(([id]) => id.length <= bounds.madeNodeIdLength)
    .map(nodeSnapshot);

const nodeSnapshot = ([id, { value, max, state, parent_node_id, display_node_id }]: [string, NodeState]) => ({
  id,
  value: value ?? 0,
  max: max ?? 1,
  finished: state === 'finished',
  ...(isId(parent_node_id) && { parentId: idText(parent_node_id) }),
  ...(isId(display_node_id) && { displayId: idText(display_node_id) }),
});
